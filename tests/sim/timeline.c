/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/frames.h"
#include "tests/sim/schedule.h"

#define LINES 400u /* the last so many are shown */
#define TEXT  96u
#define WIDTH 180u

static struct {
	struct {
		u64 step;
		unsigned cpu;
		char text[TEXT];
	} line[LINES];
	u64 count;
} timeline;

void timeline_reset(void)
{
	timeline.count = 0;
}

static void add(unsigned cpu, const char *head, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));

static void add(unsigned cpu, const char *head, const char *fmt, va_list args)
{
	unsigned i = (unsigned)(timeline.count++ % LINES);
	char *text = timeline.line[i].text;
	int used = snprintf(text, TEXT, "%s", head);

	timeline.line[i].step = schedule_steps();
	timeline.line[i].cpu = cpu;
	if (used >= 0 && used < (int)TEXT)
		vsnprintf(text + used, TEXT - (unsigned)used, fmt, args);
}

void timeline_add(unsigned cpu, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add(cpu, "", fmt, args);
	va_end(args);
}

/* Frames by number and word, fields of an address space by its name. */
static void place(char *out, size_t size, const volatile void *p)
{
	u32 frame = frame_at(p);

	*out = '\0';
	if (!frame)
		return;
	for (unsigned i = 0; i < sim.mms; i++)
		if (frame_at(sim.mm[i].mm) == frame)
			snprintf(out, size, " of %s", sim.mm[i].name);
	if (!*out)
		snprintf(out, size, " f%u[%u]", frame,
			 (unsigned)((u64)p / sizeof(u64) % PT_ENTRIES));
}

void timeline_access(unsigned cpu, const struct sim_site *site, const volatile void *p,
		     const char *fmt, ...)
{
	const char *name = strrchr(site->file, '/');
	char head[TEXT], where[24];
	va_list args;

	place(where, sizeof(where), p);
	snprintf(head, sizeof(head), "%s:%u %s%s ", name ? name + 1 : site->file, site->line,
		 site->text, where);
	va_start(args, fmt);
	add(cpu, head, fmt, args);
	va_end(args);
}

void timeline_print(void)
{
	unsigned width = MIN(TEXT, WIDTH / sim.cpus);
	u64 from = timeline.count > LINES ? timeline.count - LINES : 0;

	printf("  step");
	for (unsigned i = 0; i < sim.cpus; i++)
		printf("  %-*s", (int)width - 2,
		       (const char *[]){ "CPU 0", "CPU 1", "CPU 2", "CPU 3" }[i]);
	printf("\n");
	for (u64 i = from; i < timeline.count; i++)
		printf("%6lu  %*s%s\n", timeline.line[i % LINES].step,
		       (int)(timeline.line[i % LINES].cpu * width), "",
		       timeline.line[i % LINES].text);
}
