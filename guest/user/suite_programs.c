/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/verdict.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/map.h"
#include "guest/user/copy.h"
#include "guest/user/device.h"
#include "guest/user/launch.h"
#include "guest/user/relay.h"
#include "guest/user/suite.h"

#define MAX_SPACES  4u /* address spaces, of threads on all CPUs each */
#define MAX_THREADS (MAX_SPACES * GUEST_MAX_CPUS)

static struct user *users[MAX_THREADS];

/* Joins users[0 .. n); how many passed. */
static u32 join_all(const char *name, u32 n)
{
	u32 passed = 0;

	for (u32 i = 0; i < n; i++)
		passed += launch_passed(name, users[i]);
	return passed;
}

void check_touch(u64 rounds)
{
	u32 n = cpu_count(), right = 0;
	struct user_result r;

	for (u32 cpu = 0; cpu < n; cpu++)
		users[cpu] = launch_alone(PROGRAM_TOUCH, cpu, rounds);
	for (u32 cpu = 0; cpu < n; cpu++) {
		user_join(users[cpu], &r);
		if (r.end.reason == USER_EXITED && !r.end.code && r.reports == 1 &&
		    r.report[0] == cpu && r.cpu == cpu)
			right++;
		else
			launch_describe("touch", &r);
	}
	ktap_ok(right == n, "%u of %u CPUs run a program, and it finds its pages as it left them",
		right, n);
}

/* With a tick threads are preempted in ring 3, in faults and in system calls. */
static void churn_once(u64 rounds, u32 spaces)
{
	u32 n = cpu_count(), passed;

	for (u32 s = 0; s < spaces; s++) {
		struct mm *mm = launch_mm();

		for (u32 cpu = 0; cpu < n; cpu++)
			users[s * n + cpu] = launch(PROGRAM_CHURN, mm, cpu, cpu, rounds);
		mm_put(mm);
	}
	passed = join_all("churn", spaces * n);
	ktap_ok(passed == spaces * n,
		"%u of %u threads in %u address spaces meet no page of another one", passed,
		spaces * n, spaces);
}

void check_churn(u64 rounds)
{
	churn_once(rounds, 1);
	ticks_start();
	churn_once(rounds / 3, MAX_SPACES - 1);
	ticks_stop();
}

static void run_relay(const char *name, enum relay_way way, u64 rounds)
{
	u32 n = cpu_count(), passed;
	struct mm *mm = launch_mm();
	struct relay relay = { .members = n, .rounds = rounds, .way = way };
	s64 page = mm_map(mm, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, 0);

	if (page < 0 || copy_to_user(mm, (u64)page, &relay, sizeof(relay)))
		panic("suite: no page for the relay");
	for (u32 cpu = 0; cpu < n; cpu++)
		users[cpu] = launch(PROGRAM_RELAY, mm, cpu, cpu, (u64)page);
	passed = join_all("relay", n);
	if (copy_from_user(mm, &relay, (u64)page, sizeof(relay)))
		panic("suite: the relay's page is gone");
	mm_put(mm);
	if (passed < n)
		ktap_ok(false, "%s: %u of %u threads passed", name, passed, n);
	else if (suite_is_control() && !relay.stale && relay.checked == rounds * (n - 1))
		ktap_skip(
			"%s: control without evidence: an exit may empty the TLB, and with shadow "
			"paging the leader's own flush updates the shadow of all",
			name);
	else
		verdict(name, TARGETS_SCHEDULED, n - 1, rounds * (n - 1),
			&(struct readers_outcome){ .checked = relay.checked,
						   .stale = relay.stale });
}

void check_relay(u64 rounds)
{
	static const char *const names[RELAY_WAY_COUNT] = {
#define RELAY_NAME(id, name) name,
		RELAY_WAYS(RELAY_NAME)
#undef RELAY_NAME
	};

	if (cpu_count() == 1) {
		ktap_skip("flushes of other CPUs: there is none");
		return;
	}
	for (u32 way = 0; way < RELAY_WAY_COUNT; way++)
		run_relay(names[way], (enum relay_way)way, rounds);
}

static void forks_everywhere(u64 rounds)
{
	u32 n = cpu_count(), passed;

	for (u32 cpu = 0; cpu < n; cpu++)
		users[cpu] = launch_alone(PROGRAM_FORKS, cpu, rounds << 32 | n);
	passed = join_all("forks", n);
	ktap_ok(passed == n, "%u of %u programs fork, and each process sees its own writes", passed,
		n);
}

/* The address space that is copied is changed by other threads at the same time. */
static void forks_in_churn(u64 rounds)
{
	u32 n = cpu_count(), passed;
	struct mm *mm = launch_mm();

	users[0] = launch(PROGRAM_FORKS, mm, n - 1, n, rounds << 32 | n);
	for (u32 cpu = 0; cpu < n; cpu++)
		users[cpu + 1] = launch(PROGRAM_CHURN, mm, cpu, cpu, 50 * rounds);
	mm_put(mm);
	passed = join_all("forks among churn", n + 1);
	ktap_ok(passed == n + 1, "%u of %u threads that share what is forked see their own", passed,
		n + 1);
}

void check_forks(u64 rounds)
{
	ticks_start();
	forks_everywhere(rounds);
	forks_in_churn(rounds);
	ticks_stop();
}

void check_pins(u64 rounds)
{
	u32 n = cpu_count(), passed;

	device_start(n - 1);
	ticks_start();
	for (u32 cpu = 0; cpu < n; cpu++) {
		users[cpu] = launch_alone(PROGRAM_PINS, cpu, rounds << 32 | n);
		users[n + cpu] = launch_alone(PROGRAM_CHURN, cpu, 20 * rounds);
	}
	passed = join_all("pins", 2 * n);
	ticks_stop();
	device_stop();
	ktap_ok(passed == 2 * n,
		"%u of %u programs and their neighbours get from the device what "
		"they asked for, and nothing else",
		passed, 2 * n);
}
