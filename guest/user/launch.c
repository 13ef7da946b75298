/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/user/launch.h"

#include "guest/cpu/percpu.h"
#include "guest/cpu/timer.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/mm.h"
#include "guest/sched/thread.h"
#include "guest/user/image.h"

static const char *const program_names[PROGRAM_COUNT] = {
#define PROGRAM_NAME(id, fn) #fn,
	USER_PROGRAMS(PROGRAM_NAME)
#undef PROGRAM_NAME
};

struct mm *launch_mm(void)
{
	struct mm *mm = mm_create();
	s64 r = mm ? user_image_map(mm) : -ENOMEM;

	if (r)
		panic("launch: no address space, error %ld", (long)-r);
	return mm;
}

struct user *launch(enum user_program program, struct mm *mm, u32 cpu, u32 index, u64 arg)
{
	u64 top;
	s64 r = user_stack_map(mm, index, &top);
	struct user *u = r ? NULL
			   : user_create(program_names[program], cpu, mm,
					 user_program_entry(program), top, arg);

	if (!u)
		panic("launch: no thread for program %s, error %ld", program_names[program],
		      (long)-r);
	return u;
}

struct user *launch_alone(enum user_program program, u32 cpu, u64 arg)
{
	struct mm *mm = launch_mm();
	struct user *u = launch(program, mm, cpu, 0, arg);

	mm_put(mm);
	return u;
}

void launch_describe(const char *name, const struct user_result *r)
{
	const struct user_end *e = &r->end;
	u64 reported = r->reports ? r->report[r->reports - 1] : 0;

	switch (e->reason) {
	case USER_EXITED:
		ktap_diag("%s on CPU %u: exit(%llu), last of %u reports %#llx", name, r->cpu,
			  (unsigned long long)e->code, r->reports, (unsigned long long)reported);
		break;
	case USER_FAULTED:
		ktap_diag(
			"%s on CPU %u: vector %llu, error %#llx, rip %#llx, va %#llx, status %lld",
			name, r->cpu, (unsigned long long)e->vector, (unsigned long long)e->error,
			(unsigned long long)e->rip, (unsigned long long)e->va,
			(long long)e->status);
		break;
	default:
		ktap_diag("%s on CPU %u: killed at rip %#llx", name, r->cpu,
			  (unsigned long long)e->rip);
	}
}

bool launch_passed(const char *name, struct user *u)
{
	struct user_result r;
	bool passed;

	user_join(u, &r);
	passed = r.end.reason == USER_EXITED && r.end.code == 0;
	if (!passed)
		launch_describe(name, &r);
	return passed;
}

void run_everywhere(void (*fn)(void *arg))
{
	for_each_cpu (cpu, cpus_online())
		thread_join(thread_create("everywhere", cpu, fn, NULL));
}

static void start_tick(void *unused)
{
	(void)unused;
	tick_start();
}

static void stop_tick(void *unused)
{
	(void)unused;
	tick_stop();
}

void ticks_start(void)
{
	run_everywhere(start_tick);
}

void ticks_stop(void)
{
	run_everywhere(stop_tick);
}
