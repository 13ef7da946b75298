/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/memory.h"
#include "guest/lib/ktap.h"
#include "guest/mm/page.h"
#include "guest/sched/thread.h"
#include "guest/selftest/selftest.h"

#define ROUNDS	500
#define WORKERS 16
#define ADDS	1000

/* Two threads that take turns, each blocking until the other has woken it. */
struct ping {
	struct thread *player[2];
	u32 turn;
	u32 wakeups;
};

static void play(struct ping *p, u32 me)
{
	for (u32 i = 0; i < ROUNDS; i++) {
		while (__atomic_load_n(&p->turn, __ATOMIC_ACQUIRE) != me)
			thread_block();
		p->wakeups++;
		__atomic_store_n(&p->turn, !me, __ATOMIC_RELEASE);
		thread_wake(p->player[!me]);
	}
}

static void play_second(void *arg)
{
	play(arg, 1);
}

static void check_ping(const char *name, u32 cpu)
{
	struct ping p = { .player[0] = thread_current() };
	u64 ipis = this_cpu()->wake_ipis;

	preempt_disable(); /* the other must not run before it is in player[] */
	p.player[1] = thread_create("ping", cpu, play_second, &p);
	preempt_enable();
	play(&p, 0);
	thread_join(p.player[1]);
	ktap_ok(p.wakeups == 2 * ROUNDS, "%u hand-overs %s, wake IPIs sent: %llu", p.wakeups, name,
		(unsigned long long)(this_cpu()->wake_ipis - ipis));
}

/* Each of two threads on one CPU spins until the other has run: only the tick can end that. */
struct duel {
	u32 step;
	bool first_done, second_done;
};

static void duel_second(void *arg)
{
	struct duel *d = arg;

	__atomic_store_n(&d->step, 1, __ATOMIC_RELEASE);
	d->second_done = wait_for(__atomic_load_n(&d->step, __ATOMIC_ACQUIRE) == 2);
}

static void duel_first(void *arg)
{
	struct duel *d = arg;
	struct thread *second = thread_create("duel", cpu_id(), duel_second, d);

	tick_start();
	d->first_done = wait_for(__atomic_load_n(&d->step, __ATOMIC_ACQUIRE) == 1);
	__atomic_store_n(&d->step, 2, __ATOMIC_RELEASE);
	thread_join(second);
	tick_stop();
}

static void check_preemption(void)
{
	u32 cpu = cpu_count() - 1;
	struct duel d = { 0 };

	thread_join(thread_create("duel", cpu, duel_first, &d));
	ktap_ok(d.first_done && d.second_done, "the tick makes two spinning threads share CPU %u",
		cpu);
}

static void hold_off_preemption(void *arg)
{
	u32 *ran = arg;

	__atomic_add_fetch(ran, 1, __ATOMIC_RELAXED);
}

static void check_preempt_disable(void)
{
	u32 ran = 0, early;
	struct thread *t;
	u64 ticks;

	tick_start();
	preempt_disable();
	t = thread_create("waits", cpu_id(), hold_off_preemption, &ran);
	ticks = irq_count(cpu_id(), VECTOR_TICK);
	(void)wait_for(irq_count(cpu_id(), VECTOR_TICK) >= ticks + 3);
	early = __atomic_load_n(&ran, __ATOMIC_RELAXED);
	preempt_enable();
	thread_join(t);
	tick_stop();
	ktap_ok(early == 0 && ran == 1, "no tick preempts while preemption is disabled");
}

/* Readers of rcu (mm/walk.h) count on it that nobody holds them up by being alone on his CPU. */
static void check_alone(void)
{
	const u64 *passes = &this_mm_cpu()->quiescent;
	u64 before = mem_load(passes), yielded, ticked, ticks;

	thread_yield();
	yielded = mem_load(passes);
	tick_start();
	ticks = irq_count(cpu_id(), VECTOR_TICK);
	(void)wait_for(irq_count(cpu_id(), VECTOR_TICK) >= ticks + 3);
	ticked = mem_load(passes);
	tick_stop();
	ktap_ok(yielded != before && ticked != yielded,
		"a thread alone on its CPU passes the scheduler by yields and ticks: %llu, %llu, "
		"%llu",
		(unsigned long long)before, (unsigned long long)yielded,
		(unsigned long long)ticked);
}

static struct spinlock lock = SPINLOCK_INIT;
static u64 sum;

static void add(void *arg)
{
	(void)arg;
	for (u32 i = 0; i < ADDS; i++) {
		bool was = spin_lock_irq(&lock);

		sum++;
		spin_unlock_irq(&lock, was);
		if (i % 64 == 0)
			thread_yield();
	}
}

static void check_many(void)
{
	struct thread *worker[WORKERS];

	sum = 0;
	for (u32 i = 0; i < WORKERS; i++)
		worker[i] = thread_create("add", i % cpu_count(), add, NULL);
	for (u32 i = 0; i < WORKERS; i++)
		thread_join(worker[i]);
	ktap_ok(sum == (u64)WORKERS * ADDS, "%u threads count to %llu under a lock", WORKERS,
		(unsigned long long)sum);
}

void selftest_threads(void)
{
	u64 before = page_free_count();

	check_many();
	check_ping("on one CPU", 0);
	if (cpu_count() > 1)
		check_ping("between two CPUs", 1);
	else
		ktap_skip("hand-overs between two CPUs: there is one");
	check_preemption();
	check_preempt_disable();
	check_alone();
	ktap_ok(page_free_count() == before, "stacks are freed, %llu pages as before",
		(unsigned long long)before);
}
