/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits with a CPU that stays lazily on the root: mm/exit.h. */
#include "guest/mm/exit.h"

#include "guest/cpu/irq.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/flush/flush.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/gather.h"
#include "guest/mm/page.h"
#include "guest/mm/switch.h"
#include "guest/sched/thread.h"
#include "guest/selftest/crew.h"
#include "guest/selftest/selftest.h"

#define PAGES	 (2 * GATHER_PAGES + 10)
#define SKELETON 8u /* root, mm, gather, VMAs: what may stay until the last CR3 is gone */
#define LAZY_CPU 1u

/* What one exit did, up to the return of mm_put(), but for `loads`. */
struct account {
	u64 kept; /* pages */
	u64 flushes, hypercalls, ipis;
	u64 batches; /* flushes of the gather */
	u32 early;   /* mms torn down while a CPU held them */
	u64 loads;   /* CR3 loads of the lazy CPU until all is free */
};

static u64 become_lazy(void *arg)
{
	struct mm *mm = arg;
	u64 value;

	mm_use(mm);
	ASSERT(try_read64((const void *)SELFTEST_VA, &value) == 0);
	mm_disuse();
	return 0;
}

static u64 reach_user(void *arg)
{
	u64 value;

	(void)arg;
	return try_read64((const void *)SELFTEST_VA, &value) == 0;
}

static u64 step_aside(void *arg)
{
	(void)arg;
	exit_leave_root();
	return 0;
}

/* mm_put() of an mm whose root LAZY_CPU keeps; `before`: free pages without it. */
static struct account take_exit(u64 before)
{
	struct mm *mm = selftest_make_mm(PAGES);
	struct flush_counters f0, f1;
	struct gather_counters g0, g1;
	struct account a = { 0 };

	crew_ask(LAZY_CPU, become_lazy, mm);
	a.loads = mm_cpu(LAZY_CPU)->root_loads;
	flush_counters_sum(&f0);
	gather_counters(&g0);
	mm_put(mm);
	gather_counters(&g1);
	flush_counters_sum(&f1);
	a.kept = before - page_free_count();
	a.flushes = f1.flushes - f0.flushes;
	a.hypercalls = f1.hypercalls - f0.hypercalls;
	a.ipis = f1.ipis - f0.ipis;
	a.batches = g1.flushes - g0.flushes;
	a.early = exit_reap();
	return a;
}

static void release(struct account *a)
{
	crew_ask(LAZY_CPU, step_aside, NULL);
	exit_wait_reaped();
	a->loads = mm_cpu(LAZY_CPU)->root_loads - a->loads;
}

/* Batches of pages, and one for the tables. */
static void check_batch(const struct account *a)
{
	ktap_ok(a->kept <= SKELETON && a->flushes == PAGES / GATHER_PAGES + 2 &&
			a->batches == a->flushes,
		"batch: %lu flushes, then %lu pages wait for the lazy CPU", a->flushes, a->kept);
}

static void check_fullmm(const struct account *a)
{
	ktap_ok(a->kept <= SKELETON && a->flushes == 1,
		"fullmm: %lu flush, then %lu pages wait for the lazy CPU", a->flushes, a->kept);
}

static void check_cr3ref(const struct account *a)
{
	ktap_ok(a->kept > PAGES && !a->flushes && !a->hypercalls && !a->ipis,
		"cr3ref: %lu flushes, %lu hypercalls, %lu IPIs, %lu pages wait for the lazy CPU",
		a->flushes, a->hypercalls, a->ipis, a->kept);
}

static void check_detach(const struct account *a)
{
	if (!flush_backend()->detach)
		check_cr3ref(a);
	else
		ktap_ok(!a->kept && !a->flushes && a->hypercalls == 1,
			"detach: %lu flushes, %lu hypercall, %lu pages wait", a->flushes,
			a->hypercalls, a->kept);
}

static void check_strategies(u64 before)
{
	static const struct {
		const char *name;
		void (*check)(const struct account *a);
	} strategy[] = {
		{ "batch", check_batch },
		{ "fullmm", check_fullmm },
		{ "detach", check_detach },
		{ "cr3ref", check_cr3ref }, /* last: in force for what follows */
	};

	for (u32 i = 0; i < ARRAY_SIZE(strategy); i++) {
		struct account a;

		ASSERT(exit_set_strategy(strategy[i].name));
		a = take_exit(before);
		strategy[i].check(&a);
		release(&a);
		ktap_ok(!a.early && a.loads <= 1 && page_free_count() == before,
			"%s: all is free when the lazy CPU has left, by %lu CR3 load",
			strategy[i].name, a.loads);
	}
	ktap_ok(!exit_set_strategy("cr4ref"), "a strategy of another name is refused");
}

/* Memory is short, and the CPU does not let go: only its root may stay. Whether it reaches a page.
 */
static u64 hurry(u64 before, bool *right)
{
	struct account a = take_exit(before);
	u64 kept, reached;

	exit_hurry();
	kept = before - page_free_count();
	reached = crew_ask(LAZY_CPU, reach_user, NULL);
	*right = a.kept > PAGES && kept <= SKELETON;
	if (!*right)
		ktap_diag("%lu pages held, then %lu", a.kept, kept);
	release(&a);
	return reached;
}

static void check_hurry(u64 before)
{
	bool right, all_right = true;
	u32 tries = 0;
	u64 reached;

	do {
		reached = hurry(before, &right);
		all_right &= right && page_free_count() == before;
	} while (selftest_again(reached, &tries));
	ktap_ok(all_right,
		"exit_hurry() leaves a lazy CPU the root, and that is free when it lets go");
	selftest_stale(reached, tries, "a lazy CPU after exit_hurry()");
}

struct lingerer {
	struct mm *mm, *next;
	bool lazy, released;
};

/* Its CPU drops the root in idle, or in the switch to a thread of another mm. */
static void linger(void *arg)
{
	struct lingerer *l = arg;
	u32 polls = 0;

	become_lazy(l->mm);
	__atomic_store_n(&l->lazy, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&l->released, __ATOMIC_ACQUIRE))
		cpu_poll(&polls);
}

static void come_next(void *arg)
{
	struct lingerer *l = arg;

	mm_use(l->next);
	thread_yield();
	mm_put(l->next);
}

static void check_reaper(bool next)
{
	u64 before = page_free_count();
	struct lingerer l = { .mm = selftest_make_mm(PAGES) };
	struct thread *first = thread_create("linger", LAZY_CPU, linger, &l), *second = NULL;
	bool lazy = wait_for(__atomic_load_n(&l.lazy, __ATOMIC_ACQUIRE));

	if (next) {
		l.next = selftest_make_mm(1);
		second = thread_create("next", LAZY_CPU, come_next, &l);
	}
	mm_put(l.mm);
	lazy &= exit_pending() == 1;
	__atomic_store_n(&l.released, true, __ATOMIC_RELEASE);
	thread_join(first);
	if (second)
		thread_join(second);
	ktap_ok(lazy && wait_for(exit_pending() == 0) && page_free_count() == before,
		"the reaper frees what a CPU drops %s", next ? "for another mm" : "when it idles");
}

static void check_alone(u64 before)
{
	struct mm *mm = selftest_make_mm(PAGES);

	mm_use(mm);
	mm_put(mm);
	ktap_ok(page_free_count() == before && !thread_current()->mm && !exit_pending(),
		"without lazy CPUs all is free when mm_put() returns");
}

void selftest_exit(void)
{
	u64 before = page_free_count();

	check_alone(before);
	if (cpu_count() < 3) {
		ktap_skip("exits with a lazy CPU and a reaper: they need 3 CPUs");
		return;
	}
	crew_start();
	before = page_free_count();
	check_strategies(before);
	check_hurry(before);
	crew_stop();
	exit_start_reaper(cpu_count() - 1);
	check_reaper(false);
	check_reaper(true);
}
