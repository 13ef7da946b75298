/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's threads, in the place of guest/sched/: each bound to a CPU, which runs
 * the next one at a tick or when one sleeps, and its idle thread when there is none.
 */
#include "tests/sim/frames.h"
#include "tests/sim/oracle.h"
#include "tests/sim/schedule.h"

#include <string.h>

#include "guest/cpu/percpu.h"
#include "guest/mm/exit.h"
#include "guest/mm/switch.h"
#include "guest/mm/walk.h"

static struct sim_thread idle_thread[SIM_CPUS];

static struct sim_thread *thread_of(struct thread *t)
{
	return container_of(t, struct sim_thread, guest);
}

struct cpu *sim_this_cpu(void)
{
	return &sim_cpu()->guest;
}

struct cpu *cpu_by_id(u32 id)
{
	return &sim.cpu[id].guest;
}

u32 cpu_count(void)
{
	return sim.cpus;
}

const struct cpumask *cpus_online(void)
{
	static struct cpumask online;

	online.word[0] = (1ull << sim.cpus) - 1;
	return &online;
}

bool sim_irq_enabled(void)
{
	return sim_cpu()->irq_on;
}

void sim_irq_set(bool on)
{
	struct sim_cpu *c = sim_cpu();

	if (!sim_thread()->interrupted)
		sim_thread()->counts.irq_changes++;
	c->irq_on = on;
	if (c->flush_pending)
		schedule_refresh(c);
}

bool sim_irq_save(void)
{
	bool was = sim_irq_enabled();

	sim_irq_set(false);
	return was;
}

void threads_wait(const volatile void *p)
{
	struct sim_cpu *c = sim_cpu();

	if (!sim.scheduling)
		sim_fail("a wait outside a schedule");
	c->waiting = true;
	c->wait_for = p;
	schedule_block();
	c->waiting = false;
	c->wait_for = NULL;
	schedule_refresh(c);
	threads_interrupt();
}

void threads_notify(const volatile void *p)
{
	for (unsigned i = 0; i < sim.cpus; i++) {
		struct sim_cpu *c = &sim.cpu[i];

		if (c->waiting && (!c->wait_for || c->wait_for == p)) {
			c->waiting = false;
			schedule_refresh(c);
		}
	}
}

void sim_spin(void)
{
	schedule_yield();
}

u64 sim_rdtsc(void)
{
	return schedule_steps();
}

/* Interrupts off. The next thread that can run, after the current one; idle if there is none. */
static struct sim_thread *next_thread(const struct sim_cpu *c)
{
	unsigned from = c->current == c->idle ? 0 : (unsigned)(c->current - sim.thread) + 1;

	for (unsigned i = 0; i < sim.threads; i++) {
		struct sim_thread *t = &sim.thread[(from + i) % sim.threads];

		if (t->cpu == c && t->runnable && !t->ended)
			return t;
	}
	return c->idle;
}

static void set_current(struct sim_cpu *c, struct sim_thread *t)
{
	c->current = t;
	c->guest.current = &t->guest;
}

/* Gives the CPU to another thread, if there is one. */
static void switch_threads(void)
{
	struct sim_cpu *c = sim_cpu();
	struct sim_thread *self = c->current, *next;
	bool was = c->irq_on;

	c->irq_on = false;
	next = next_thread(c);
	if (next == self) {
		mm_switch(next->guest.mm);
	} else {
		bool interrupted = self->interrupted;

		self->interrupted = true;
		if (sim.logging)
			timeline_add(sim.self, "switches from %s to %s", self->name, next->name);
		set_current(c, next);
		mm_switch(next->guest.mm);
		c->stack = next;
		coroutine_switch(&self->stack, &next->stack);
		exit_wake_reaper();
		self->interrupted = interrupted;
	}
	c->irq_on = was;
	schedule_refresh(c);
}

void threads_tick(struct sim_cpu *c)
{
	c->tick = true;
}

/* The handler is judged by itself, whatever the thread was doing. */
static void run_handler(struct sim_thread *t)
{
	static struct sim_thread kept[SIM_CPUS];
	struct sim_thread *k = &kept[sim.self];

	*k = *t;
	memory_drain(t->cpu);
	t->cpu->irq_on = false;
	if (sim.logging)
		timeline_add(sim.self, "interrupt");
	sim.handler();
	t->cpu->irq_on = true;
	t->counts = k->counts;
	t->walk = k->walk;
	t->learnt = k->learnt;
	memcpy(t->learned, k->learned, sizeof(t->learned));
	watch_restore(&k->watch);
	schedule_refresh(t->cpu);
}

void threads_interrupt(void)
{
	struct sim_cpu *c = sim_cpu();
	struct sim_thread *self = c->current;

	if (!c->irq_on || self->interrupted)
		return;
	if (c->deliver) {
		c->deliver = c->flush_pending = false;
		c->irq_on = false;
		self->interrupted = true;
		memory_drain(c);
		flush_serve(c);
		self->interrupted = false;
		c->irq_on = true;
		schedule_refresh(c);
	}
	if (c->tick && sim.handler && self != c->idle) {
		c->tick = false;
		run_handler(self);
	}
	if (c->tick && !c->guest.preempt_count && self != c->idle) {
		c->tick = false;
		memory_drain(c);
		switch_threads();
	}
}

static void idle_main(void *arg)
{
	struct sim_cpu *c = arg;

	for (;;) {
		c->irq_on = false;
		while (next_thread(c) != c->idle)
			switch_threads();
		exit_leave_root();
		if (next_thread(c) != c->idle)
			continue;
		walk_rest();
		c->irq_on = true;
		while (next_thread(c) == c->idle)
			threads_wait(&c->idle);
		c->irq_on = false;
		walk_rest_end();
	}
}

static void thread_start(void *arg)
{
	struct sim_thread *t = arg;

	exit_wake_reaper();
	t->cpu->irq_on = true;
	schedule_refresh(t->cpu);
	sim_step();
	t->fn(t->arg);
	sim_step();
	memory_drain(t->cpu);
	t->ended = true;
	t->runnable = false;
	t->cpu->threads--;
	if (!coroutine_intact(&t->stack))
		sim_fail("thread %s has used more stack than it has", t->name);
	switch_threads();
	sim_fail("thread %s runs after its end", t->name);
}

static void start(struct sim_thread *t, const char *name, struct sim_cpu *c)
{
	struct coroutine stack = t->stack;

	*t = (struct sim_thread){ .name = name, .cpu = c, .stack = stack };
	t->guest.cpu = &c->guest;
}

struct sim_thread *threads_add(const char *name, unsigned cpu, void (*fn)(void *arg), void *arg)
{
	struct sim_thread *t = &sim.thread[sim.threads];

	if (sim.threads++ == SIM_THREADS)
		sim_fail("more threads than the simulator has");
	start(t, name, &sim.cpu[cpu]);
	t->fn = fn;
	t->arg = arg;
	t->runnable = true;
	t->cpu->threads++;
	coroutine_start(&t->stack, thread_start, t);
	return t;
}

/* CPU 0 runs setup on its idle thread. */
void threads_reset(void)
{
	for (unsigned i = 0; i < sim.cpus; i++) {
		struct sim_cpu *c = &sim.cpu[i];

		start(&idle_thread[i], "idle", c);
		c->idle = &idle_thread[i];
		set_current(c, c->idle);
		c->stack = c->idle;
		coroutine_start(&c->idle->stack, idle_main, c);
	}
}

/* Each CPU begins on its first thread, whose address space it has loaded. */
void threads_begin(void)
{
	for (unsigned i = 0; i < sim.cpus; i++) {
		struct sim_cpu *c = &sim.cpu[i];
		struct sim_thread *first = next_thread(c);

		sim.self = i;
		c->irq_on = false;
		if (first != c->idle) {
			set_current(c, first);
			c->stack = first;
			mm_switch(first->guest.mm);
		}
		c->irq_on = true;
	}
	sim.self = 0;
}

/* The rest: what the guest's code calls of guest/sched/. */

struct thread *thread_create(const char *name, u32 cpu, void (*fn)(void *arg), void *arg)
{
	struct sim_thread *t = threads_add(name, cpu, fn, arg);

	t->daemon = true;
	threads_notify(&t->cpu->idle);
	schedule_refresh(t->cpu);
	return &t->guest;
}

void thread_yield(void)
{
	struct sim_cpu *c = sim_cpu();

	if (!sim.scheduling)
		return; /* nobody else runs */
	sim_step();
	if (next_thread(c) == c->current)
		schedule_yield();
	switch_threads();
}

void thread_block(void)
{
	struct sim_thread *self = sim_thread();

	sim_step();
	memory_drain(self->cpu);
	if (!sim.scheduling)
		sim_fail("a thread sleeps outside a schedule");
	if (!self->wake_pending) {
		self->runnable = false;
		while (!self->runnable)
			switch_threads();
	}
	self->wake_pending = false;
}

void thread_wake(struct thread *thread)
{
	struct sim_thread *t = thread_of(thread);

	sim_step();
	memory_drain(sim_cpu());
	if (t->runnable || t->ended) {
		t->wake_pending = true;
		return;
	}
	t->runnable = true;
	threads_notify(&t->cpu->idle);
}

void preempt_disable(void)
{
	sim_this_cpu()->preempt_count++;
}

void preempt_enable(void)
{
	sim_this_cpu()->preempt_count--;
}

bool sim_spin_trylock(const struct sim_site *site, struct spinlock *l)
{
	return !sim_rmw(site, &l->held, sizeof(l->held), RMW_EXCHANGE, true);
}

void sim_spin_lock(const struct sim_site *site, struct spinlock *l)
{
	while (!sim_spin_trylock(site, l))
		while (l->held)
			threads_wait(&l->held);
}

void sim_spin_unlock(const struct sim_site *site, struct spinlock *l)
{
	sim_store(site, &l->held, sizeof(l->held), false);
}

bool sim_spin_lock_irq(const struct sim_site *site, struct spinlock *l)
{
	bool was = sim_irq_save();

	sim_spin_lock(site, l);
	return was;
}

/*
 * mutex.c stands for this in its own scenario; in the others a lock is one step, and
 * whoever wakes first has it next.
 */
void mutex_lock(struct mutex *m)
{
	struct sim_thread *self = sim_thread();

	for (;;) {
		sim_step();
		memory_drain(self->cpu);
		if (m->owner == &self->guest)
			sim_fail("thread %s takes a mutex that it holds", self->name);
		if (!m->owner)
			break;
		if (!sim.scheduling || !self->cpu->irq_on)
			sim_fail("a mutex is waited for where nobody may sleep");
		self->waits = m;
		self->runnable = false;
		while (!self->runnable)
			switch_threads();
	}
	m->owner = &self->guest;
	self->locks++;
	if (sim.logging)
		timeline_add(sim.self, "has the mutex");
}

void mutex_unlock(struct mutex *m)
{
	struct sim_thread *self = sim_thread();

	sim_step();
	memory_drain(self->cpu);
	if (m->owner != &self->guest)
		sim_fail("thread %s gives back a mutex that it has not", self->name);
	oracle_unlock(m);
	m->owner = NULL;
	self->locks--;
	if (sim.logging)
		timeline_add(sim.self, "gives the mutex back");
	for (unsigned i = 0; i < sim.threads; i++) {
		struct sim_thread *t = &sim.thread[i];

		if (t->waits != m)
			continue;
		t->waits = NULL;
		t->runnable = true;
		threads_notify(&t->cpu->idle);
	}
}

bool mutex_held(const struct mutex *m)
{
	return m->owner == &sim_thread()->guest;
}
