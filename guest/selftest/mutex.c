/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/sched/mutex.h"

#include "guest/lib/ktap.h"
#include "guest/sched/thread.h"
#include "guest/selftest/selftest.h"

#define MAX_WORKERS 32u
#define ADDS	    200u

/* Each addition gives its CPU away in the middle: without the lock some get lost. */
struct tally {
	struct mutex mutex;
	bool locked;
	u64 sum;
};

static void add(void *arg)
{
	struct tally *t = arg;

	for (u32 i = 0; i < ADDS; i++) {
		u64 old;

		if (t->locked)
			mutex_lock(&t->mutex);
		old = __atomic_load_n(&t->sum, __ATOMIC_RELAXED);
		thread_yield();
		__atomic_store_n(&t->sum, old + 1, __ATOMIC_RELAXED);
		if (t->locked)
			mutex_unlock(&t->mutex);
	}
}

static u64 count(u32 workers, bool locked)
{
	struct thread *worker[MAX_WORKERS];
	struct tally t = { .locked = locked };

	for (u32 i = 0; i < workers; i++)
		worker[i] = thread_create("add", i / 2 % cpu_count(), add, &t);
	for (u32 i = 0; i < workers; i++)
		thread_join(worker[i]);
	return t.sum;
}

static void check_exclusion(void)
{
	u32 workers = MIN(2 * cpu_count(), MAX_WORKERS);
	u64 all = (u64)workers * ADDS, with = count(workers, true), without = count(workers, false);

	ktap_ok(with == all, "%u threads count to %lu of %lu under a mutex", workers, with, all);
	ktap_ok(without < all, "control: without it they lose %lu", all - without);
}

/* No tick: the second thread of the CPU runs only because the first one sleeps. */
struct sleep {
	struct mutex mutex;
	bool waiting, other_ran, got_it;
};

static void wait_for_mutex(void *arg)
{
	struct sleep *s = arg;

	__atomic_store_n(&s->waiting, true, __ATOMIC_RELEASE);
	mutex_lock(&s->mutex);
	s->got_it = mutex_held(&s->mutex);
	mutex_unlock(&s->mutex);
}

static void run_meanwhile(void *arg)
{
	struct sleep *s = arg;

	s->other_ran = __atomic_load_n(&s->waiting, __ATOMIC_ACQUIRE) && !mutex_held(&s->mutex);
}

static void check_sleep(void)
{
	u32 cpu = cpu_count() - 1;
	struct sleep s = { 0 };
	struct thread *waiter, *other;

	mutex_lock(&s.mutex);
	waiter = thread_create("waiter", cpu, wait_for_mutex, &s);
	other = thread_create("other", cpu, run_meanwhile, &s);
	thread_join(other);
	ktap_ok(s.other_ran && !s.got_it && mutex_held(&s.mutex),
		"who waits for a mutex on CPU %u lets others run", cpu);
	mutex_unlock(&s.mutex);
	thread_join(waiter);
	ktap_ok(s.got_it && !mutex_held(&s.mutex), "it has the mutex after the unlock");
}

void selftest_mutex(void)
{
	check_exclusion();
	check_sleep();
}
