/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "shared/harness.h"

#define MAX_DEPTH 8
#define TEXT_MAX  256

struct level {
	char name[64];
	bool planned;
	u32 plan;
	u32 results; /* result lines printed */
	u32 passed, failed, skipped, deviating;
};

static struct {
	bool started;
	u32 depth;
	struct level level[MAX_DEPTH];
	u32 passed, failed, skipped, deviating; /* leaf results */
	bool broken;				/* a plan was missed */
} report;

static struct level *top(void)
{
	if (!report.started) {
		report.started = true;
		kprintf("KTAP version 1\n");
	}
	return &report.level[report.depth];
}

static int indent(void)
{
	return (int)report.depth * 2;
}

static void result(const char *what, const char *text, const char *directive)
{
	kprintf("%*s%s %u - %s%s\n", indent(), "", what, ++top()->results, text, directive);
}

void ktap_plan(unsigned count)
{
	struct level *l = top();

	ASSERT(!l->planned);
	l->planned = true;
	l->plan = count;
	kprintf("%*s1..%u\n", indent(), "", count);
}

void ktap_begin(const char *name)
{
	struct level *l;

	(void)top();
	ASSERT(report.depth + 1 < MAX_DEPTH);
	report.depth++;
	l = top();
	*l = (struct level){ 0 };
	strlcpy(l->name, name, sizeof(l->name));
	kprintf("%*sKTAP version 1\n", indent(), "");
	kprintf("%*s# Subtest: %s\n", indent(), "", name);
}

/* Prints the plan if that has not been done, and checks it. */
static void close_level(struct level *l)
{
	if (!l->planned)
		kprintf("%*s1..%u\n", indent(), "", l->results);
	else if (l->plan != l->results)
		l->failed++;
	if (l->planned && l->plan != l->results) {
		report.broken = true;
		ktap_diag("planned %u results, got %u", l->plan, l->results);
	}
}

void ktap_end(void)
{
	struct level *l = top();
	struct level *outer;

	ASSERT(report.depth > 0);
	close_level(l);
	report.depth--;
	outer = top();
	if (l->failed || l->passed + l->skipped + l->deviating == 0) {
		outer->failed++;
		report.broken = true;
		result("not ok", l->name, "");
	} else if (l->passed + l->deviating == 0) {
		outer->skipped++;
		result("ok", l->name, " # SKIP all skipped");
	} else {
		outer->passed++;
		result("ok", l->name, "");
	}
}

bool ktap_ok(bool cond, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (cond) {
		top()->passed++;
		report.passed++;
	} else {
		top()->failed++;
		report.failed++;
	}
	result(cond ? "ok" : "not ok", text, "");
	return cond;
}

/* A result that counts neither as passed nor as failed, and why. */
static void directed(const char *what, const char *name, const char *directive, const char *fmt,
		     va_list ap)
{
	char text[TEXT_MAX], why[TEXT_MAX + 8];

	vsnprintf(text, sizeof(text), fmt, ap);
	snprintf(why, sizeof(why), " # %s %s", directive, text);
	result(what, name, why);
}

void ktap_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	directed("ok", "skipped", "SKIP", fmt, ap);
	va_end(ap);
	top()->skipped++;
	report.skipped++;
}

void ktap_skip_named(const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	directed("ok", name, "SKIP", fmt, ap);
	va_end(ap);
	top()->skipped++;
	report.skipped++;
}

void ktap_deviation(const char *name, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	directed("not ok", name, "TODO", fmt, ap);
	va_end(ap);
	top()->deviating++;
	report.deviating++;
}

void ktap_diag(const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	kprintf("%*s# %s\n", indent(), "", text);
}

int ktap_verdict(void)
{
	ASSERT(report.depth == 0);
	close_level(top());
	char deviating[24] = "";

	if (report.deviating)
		snprintf(deviating, sizeof(deviating), " deviation:%u", report.deviating);
	kprintf("# Totals: pass:%u fail:%u skip:%u%s\n", report.passed, report.failed,
		report.skipped, deviating);
	if (report.failed || report.broken || report.passed == 0)
		return HARNESS_EXIT_FAIL;
	return HARNESS_EXIT_PASS;
}
