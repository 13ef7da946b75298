/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/percpu.h"
#include "guest/cpu/timer.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/map.h"
#include "guest/mm/page.h"
#include "guest/sched/thread.h"
#include "guest/user/copy.h"
#include "guest/user/device.h"
#include "guest/user/hostile.h"
#include "guest/user/image.h"
#include "guest/user/launch.h"
#include "guest/user/suite.h"

#define FUZZ_DEADLINE_MS 5000u

static struct user *users[GUEST_MAX_CPUS];

static const struct provocation {
	const char *what;
	u32 vectors, error;
} provocations[HOSTILE_COUNT] = {
#define HOSTILE_ROW(fn, what, vectors, error) [HOSTILE_##fn] = { what, vectors, error },
	HOSTILE_CASES(HOSTILE_ROW)
#undef HOSTILE_ROW
};

static bool as_expected(const struct user_end *e, const struct provocation *p)
{
	if (p->vectors == HOSTILE_NONE)
		return e->reason == USER_EXITED && e->code == 0;
	return e->reason == USER_FAULTED && 1ul << e->vector & p->vectors &&
	       (p->error == ANY_ERROR || e->error == p->error);
}

/* On all CPUs at the same time; the tick comes whatever the registers are. */
static void provoke(u32 which)
{
	const struct provocation *p = &provocations[which];
	u32 n = cpu_count(), right = 0;
	struct user_result r = { 0 };

	for (u32 cpu = 0; cpu < n; cpu++)
		users[cpu] = launch_alone(PROGRAM_HOSTILE, cpu, which);
	for (u32 cpu = 0; cpu < n; cpu++) {
		user_join(users[cpu], &r);
		if (as_expected(&r.end, p))
			right++;
		else
			launch_describe(p->what, &r);
	}
	if (p->vectors == HOSTILE_NONE)
		ktap_ok(right == n, "%s: harmless on %u of %u CPUs", p->what, right, n);
	else
		ktap_ok(right == n, "%s: vector %llu ends the program on %u of %u CPUs", p->what,
			(unsigned long long)r.end.vector, right, n);
}

void check_hostile(u64 rounds)
{
	device_start(0);
	ticks_start();
	for (u64 r = 0; r < rounds; r++) {
		for (u32 i = 0; i < HOSTILE_COUNT; i++)
			provoke(i);
	}
	ticks_stop();
	device_stop();
}

/* Kills what has not ended in time. */
static void join_or_kill(struct user *u, struct user_result *r)
{
	u64 end = rdtsc() + tsc_from_ms(FUZZ_DEADLINE_MS);

	while (!user_has_ended(u) && rdtsc() < end)
		thread_yield();
	user_kill(u);
	user_join(u, r);
}

static void fuzz(enum user_program program, const char *name, u64 seeds)
{
	u32 n = cpu_count(), ends[USER_KILLED + 1] = { 0 };
	struct user_result r;
	u64 calls = 0;

	for (u64 seed = 0; seed < seeds; seed++) {
		for (u32 cpu = 0; cpu < n; cpu++)
			users[cpu] = launch_alone(program, cpu, seed * n + cpu);
		for (u32 cpu = 0; cpu < n; cpu++) {
			join_or_kill(users[cpu], &r);
			ends[r.end.reason]++;
			calls += r.syscalls;
		}
	}
	ktap_ok(!ends[USER_RUNS] && ends[USER_FAULTED] && calls,
		"%s, %llu system calls: %u programs exited, %u faulted, %u were killed", name,
		(unsigned long long)calls, ends[USER_EXITED], ends[USER_FAULTED],
		ends[USER_KILLED]);
}

void check_fuzz(u64 rounds)
{
	device_start(0);
	ticks_start();
	fuzz(PROGRAM_FUZZ_CODE, "random bytes", rounds);
	fuzz(PROGRAM_FUZZ_CALLS, "random system calls", rounds);
	ticks_stop();
	device_stop();
}

/* Starts spin or orphan there; returns when it has said that it will not go on. */
static struct user *start_endless(enum user_program program, u32 cpu)
{
	struct mm *mm = launch_mm();
	s64 page = mm_map(mm, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, 0);
	struct user *u = launch(program, mm, cpu, 0, (u64)page);
	u64 said = 0;

	while (!said) {
		if (page < 0 || copy_from_user(mm, &said, (u64)page, sizeof(said)))
			panic("suite: no page to see a program start");
		thread_yield();
	}
	mm_put(mm);
	return u;
}

static void kill_spinning(void)
{
	u32 n = cpu_count(), killed = 0, first = n > 1;
	struct user_result r;

	if (!first)
		ticks_start(); /* one CPU for both */
	for (u32 cpu = first; cpu < n; cpu++)
		users[cpu] = start_endless(PROGRAM_SPIN, cpu);
	for (u32 cpu = first; cpu < n; cpu++) {
		user_kill(users[cpu]);
		user_join(users[cpu], &r);
		killed += r.end.reason == USER_KILLED && r.end.rip >= USER_TEXT &&
			  r.end.rip < USER_TEXT + user_image_bytes();
	}
	if (!first)
		ticks_stop();
	ktap_ok(killed == n - first, "%u of %u programs that spin in ring 3 are killed there",
		killed, n - first);
}

/* Its child is killed with it; else the join would not return. */
static void end_with_child(void)
{
	struct user_result r;
	struct user *u;
	u32 cpu = cpu_count() - 1;

	ktap_ok(launch_passed("orphan", launch_alone(PROGRAM_ORPHAN, cpu, 0)),
		"a child does not outlive its parent");
	u = start_endless(PROGRAM_ORPHAN, cpu);
	user_kill(u);
	user_join(u, &r);
	ktap_ok(r.end.reason == USER_KILLED, "a program is killed that waits for its child");
}

static void start_wildly(const char *what, u64 entry, u64 stack, u64 vector)
{
	struct mm *mm = launch_mm();
	struct user *u = user_create("wild", cpu_count() - 1, mm, entry, stack, 0);
	struct user_result r = { 0 };

	mm_put(mm);
	if (u)
		user_join(u, &r);
	if (!ktap_ok(r.end.reason == USER_FAULTED && r.end.vector == vector,
		     "%s ends it by vector %llu", what, (unsigned long long)vector))
		launch_describe(what, &r);
}

void check_kill(u64 rounds)
{
	for (u64 i = 0; i < rounds; i++)
		kill_spinning();
	end_with_child();
	start_wildly("an entry that is not canonical", USER_END, USER_TEXT, TRAP_GP);
	start_wildly("an entry in the kernel", KERNEL_BASE, USER_TEXT, TRAP_GP);
	start_wildly("an entry that is not mapped", USER_MIN, USER_TEXT, TRAP_PF);
}

/* Takes every page; its fault without one ends it, and gives them back. */
void check_memory(u64 rounds)
{
	u64 bytes = (page_free_count() + 1024) * PAGE_SIZE;
	struct user_result r;

	for (u64 i = 0; i < rounds; i++) {
		user_join(launch_alone(PROGRAM_HOG, cpu_count() - 1, bytes), &r);
		if (!ktap_ok(
			    r.end.reason == USER_FAULTED && r.end.vector == TRAP_PF &&
				    r.end.status == -ENOMEM,
			    "a program that wants more memory than there is ends after %llu faults",
			    (unsigned long long)r.faults))
			launch_describe("hog", &r);
	}
}

void panic_among_programs(void)
{
	for (u32 cpu = 1; cpu < cpu_count(); cpu++)
		start_endless(PROGRAM_SPIN, cpu);
	panic("asked for by the command line, programs are on %u CPUs", cpu_count() - 1);
}
