/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of an address space whose root a CPU has lazily, when nobody runs that CPU. */
#include "guest/cpu/percpu.h"
#include "guest/cpu/timer.h"
#include "guest/cpu/trap.h"
#include "guest/flush/flush.h"
#include "guest/lib/harness.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/exit.h"
#include "guest/mm/page.h"
#include "guest/mm/pgtable.h"
#include "guest/mm/switch.h"
#include "guest/sched/thread.h"
#include "guest/selftest/crew.h"
#include "guest/selftest/selftest.h"
#include "guest/stress/stops.h"
#include "guest/stress/stress.h"

#define PAGES	 ((64ul << 20) / PAGE_SIZE)
#define SKELETON 8u /* root, mm, gather, VMAs: what may stay until the last CR3 is gone */
#define LAZY_CPU 1u
#define TRIES	 3u
#define STOP_US                                                                          \
	HARNESS_MAX_STOP_US /* longer than the host waits for a CPU that it does not run \
			     */

static u64 go_lazy(void *arg)
{
	u64 value;

	mm_use(arg);
	ASSERT(try_read64((const void *)SELFTEST_VA, &value) == 0);
	mm_disuse();
	return 0;
}

static u64 leave(void *unused)
{
	bool was = irq_save();

	(void)unused;
	mm_leave_lazy();
	exit_wake_reaper();
	irq_restore(was);
	return 0;
}

/* Whether the host has it asleep in HLT. HARNESS_E*; reason in `why`. */
static int asleep(bool *now, char *why)
{
	struct harness_page page = { .op = HARNESS_BLOCKED, .blocked = { .vcpu = LAZY_CPU } };
	int status = harness_call(&page);

	*now = page.blocked.now;
	strlcpy(why, page.text, sizeof(page.text));
	return status;
}

static void use_and_end(void *arg)
{
	go_lazy(arg);
}

/* Idle leaves the root before HLT, so the exit finds nobody there. */
static void check_idle(u64 before)
{
	struct mm *mm = selftest_make_mm(PAGES);
	bool slept, sleeps;
	char why[128];
	u64 left;

	thread_join(thread_create("lazy", LAZY_CPU, use_and_end, mm));
	if (asleep(&slept, why)) {
		ktap_skip("a CPU that idles: %s", why);
		mm_put(mm);
		return;
	}
	(void)wait_for(!asleep(&slept, why) && slept);
	mm_put(mm);
	left = before - page_free_count();
	asleep(&sleeps, why);
	ktap_ok(!left && slept && sleeps, "64 MiB of a CPU that idles: %lu pages stay%s", left,
		slept && sleeps ? "" : ", but it does not sleep: no evidence");
}

struct stopped {
	bool refused;  /* the host does not stop CPUs: `why` */
	bool evidence; /* the CPU was stopped all the time */
	u64 held, left;
	char why[128];
};

static struct stopped hurry_stopped(u64 before)
{
	struct mm *mm = selftest_make_mm(PAGES);
	struct stopped s = { 0 };
	struct harness_stops stops;

	crew_ask(LAZY_CPU, go_lazy, mm);
	s.refused = !stops_begin(LAZY_CPU, 1, STOP_US, STOP_US, s.why);
	mm_put(mm);
	if (s.refused)
		return s;
	s.held = before - page_free_count();
	exit_hurry();
	s.left = before - page_free_count();
	stops = stops_end();
	s.evidence = stops.stops == 1 && stops.in_force;
	return s;
}

/* On a busy host a stop may be over before the exit is. */
static void check_stopped(u64 before)
{
	struct stopped s = hurry_stopped(before);

	for (u32 i = 1; i < TRIES && !s.refused && !s.evidence; i++) {
		crew_ask(LAZY_CPU, leave, NULL);
		stress_census();
		s = hurry_stopped(before);
	}
	if (s.refused)
		ktap_skip("a CPU that the host stops: %s", s.why);
	else
		ktap_ok(s.held > PAGES && s.left <= SKELETON && s.evidence,
			"64 MiB of a lazy CPU that the host has stopped: %lu pages stay, then "
			"%lu%s",
			s.held, s.left, s.evidence ? "" : ", but it has run: no evidence");
}

void stress_lazy(const struct stress *s)
{
	char why[128];
	bool now;
	u64 before;

	(void)s;
	if (cpu_count() < 2) {
		ktap_skip("lazy CPUs: they need 2 CPUs");
		return;
	}
	ktap_begin("lazy CPUs that do not run");
	asleep(&now, why); /* takes the harness's page, for good */
	before = stress_census();
	check_idle(before);
	crew_start();
	before = page_free_count();
	if (flush_backend()->id == HF_BACKEND_IPI)
		ktap_skip("a CPU that the host stops: an IPI waits for it");
	else
		check_stopped(before);
	crew_ask(LAZY_CPU, leave, NULL);
	ktap_ok(stress_census() == before, "census: %lu pages are free again of %lu",
		stress_census(), before);
	crew_stop();
	ktap_end();
}
