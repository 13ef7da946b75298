/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/sim/schedule.h"

#include "guest/flush/backend.h"
#include "tests/sim/ring.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTORS	    (ACT_KINDS * SIM_CPUS)
#define STEPS_MAX   60000u /* a longer schedule does not end */
#define CHANGES_MAX 8u
#define SEARCH_MAX  4000u

/* LOCAL is PCT whose random steps are counted for each CPU's code by itself. */
enum policy { POLICY_PCT, POLICY_LOCAL, POLICY_RANDOM, POLICY_SEARCH };

static struct {
	enum policy policy;
	u64 random;
	u64 enabled;		     /* by rank */
	unsigned floor;		     /* ranks at or above this one preempt the code that runs */
	u8 rank[ACTORS], at[ACTORS]; /* rank 0 is the lowest */
	u64 steps, countdown;
	/* PCT: steps between changes, of all CPUs or of each; the countdowns of CPUs that wait. */
	struct {
		u32 change[CHANGES_MAX];
		unsigned changes, next;
		u64 countdown;
	} plan[SIM_CPUS];
	unsigned stretch; /* POLICY_RANDOM: mean length */
	struct sim_budget left[SIM_CPUS];
	struct coroutine main;
	struct sim_result *result;

	/* POLICY_SEARCH */
	u16 chosen[SEARCH_MAX], options[SEARCH_MAX];
	unsigned depth, known, switches;
	unsigned last; /* actor of the last step */
	u32 yielded;   /* CPUs whose code lets anybody else act first */
} s;

static u64 random_next(void)
{
	u64 z = s.random += 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static unsigned random_below(unsigned n)
{
	return (unsigned)((random_next() >> 32) * n >> 32);
}

static unsigned search_choose(unsigned n)
{
	if (s.depth == SEARCH_MAX)
		sim_fail("the schedule does not end");
	if (s.depth == s.known) {
		s.chosen[s.known] = 0;
		s.options[s.known++] = (u16)n;
	}
	return s.chosen[s.depth++];
}

unsigned sim_choose(unsigned n)
{
	if (n < 2)
		return 0;
	return s.policy == POLICY_SEARCH ? search_choose(n) : random_below(n);
}

u64 schedule_steps(void)
{
	return s.steps;
}

static void set_ranks(void)
{
	for (unsigned i = 0; i < ACTORS; i++)
		s.at[i] = (u8)i;
	for (unsigned i = ACTORS; s.policy <= POLICY_LOCAL && i > 1; i--) {
		unsigned j = random_below(i);
		u8 t = s.at[j];

		s.at[j] = s.at[i - 1];
		s.at[i - 1] = t;
	}
	for (unsigned i = 0; i < ACTORS; i++)
		s.rank[s.at[i]] = (u8)i;
}

/* Up to CHANGES_MAX changes, at random among that many steps. */
static void make_plan(unsigned cpu, unsigned changes, u64 steps)
{
	u32 at[CHANGES_MAX], last = 0;

	for (unsigned i = 0; i < changes; i++) {
		u32 v = 1 + random_below((unsigned)steps);
		unsigned j = i;

		for (; j && at[j - 1] > v; j--)
			at[j] = at[j - 1];
		at[j] = v;
	}
	for (unsigned i = 0; i < changes; i++) {
		s.plan[cpu].change[i] = at[i] - last + 1;
		last = at[i];
	}
	s.plan[cpu].changes = changes;
}

void schedule_seeded(u64 seed, u64 steps)
{
	static const enum policy policies[] = { POLICY_PCT, POLICY_PCT, POLICY_LOCAL, POLICY_LOCAL,
						POLICY_RANDOM };

	s.depth = 0;
	s.steps = 0;
	s.random = seed * 0xd1342543de82ef95u + 1;
	s.policy = policies[random_below(ARRAY_SIZE(policies))];
	set_ranks();
	s.stretch = 1u << random_below(5);
	if (s.policy == POLICY_PCT)
		make_plan(0, random_below(CHANGES_MAX + 1), steps);
	for (unsigned i = 0; i < SIM_CPUS && s.policy == POLICY_LOCAL; i++)
		make_plan(i, random_below(CHANGES_MAX / 2), MAX(steps >> (1 + random_below(4)), 8));
}

void schedule_search_again(unsigned switches)
{
	s.policy = POLICY_SEARCH;
	s.depth = 0;
	s.steps = 0;
	s.switches = switches;
	set_ranks();
}

bool schedule_search(bool first, unsigned switches)
{
	schedule_search_again(switches);
	if (first) {
		s.known = 0;
		return true;
	}
	while (s.known && s.chosen[s.known - 1] + 1u == s.options[s.known - 1])
		s.known--;
	if (!s.known)
		return false;
	s.chosen[s.known - 1]++;
	return true;
}

static void set_enabled(unsigned actor, bool on)
{
	u64 bit = 1ull << s.rank[actor];

	s.enabled = on ? s.enabled | bit : s.enabled & ~bit;
}

void schedule_refresh(const struct sim_cpu *c)
{
	unsigned cpu = (unsigned)(c - sim.cpu);
	const struct sim_budget *left = &s.left[cpu];
	bool alive = c->threads;

	if (!sim.scheduling)
		return;
	set_enabled(ACT_CODE * SIM_CPUS + cpu,
		    c->running && (!c->waiting || (c->deliver && c->irq_on)));
	set_enabled(ACT_DRAIN * SIM_CPUS + cpu, c->buffered);
	set_enabled(ACT_IRQ * SIM_CPUS + cpu,
		    (c->flush_pending && c->irq_on && c->running && !c->deliver) || c->posted ||
			    ring_due(cpu));
	set_enabled(ACT_HOST * SIM_CPUS + cpu,
		    c->running ? left->deschedules && alive : !c->starved);
	set_enabled(ACT_TICK * SIM_CPUS + cpu,
		    left->ticks && c->running && (c->threads > 1 || (sim.handler && alive)));
	set_enabled(ACT_WALK * SIM_CPUS + cpu, left->walks && c->running && alive);
}

/* The actor acts later than all others from now on. */
static void demote(unsigned actor)
{
	u64 rank = s.rank[actor], below = (1ull << rank) - 1, bit = s.enabled >> rank & 1;

	s.enabled = (s.enabled & ~(below << 1 | 1)) | (s.enabled & below) << 1 | bit;
	for (u64 i = rank; i > 0; i--) {
		s.at[i] = s.at[i - 1];
		s.rank[s.at[i]] = (u8)i;
	}
	s.at[0] = (u8)actor;
	s.rank[actor] = 0;
}

static u64 planned(unsigned cpu)
{
	unsigned i = s.plan[cpu].next++;

	return i < s.plan[cpu].changes ? s.plan[cpu].change[i] : STEPS_MAX;
}

static void next_countdown(void)
{
	switch (s.policy) {
	case POLICY_PCT:
		s.countdown = planned(0);
		break;
	case POLICY_LOCAL:
		s.countdown = planned(sim.self);
		break;
	case POLICY_RANDOM:
		s.countdown = 1 + random_below(2 * s.stretch);
		break;
	case POLICY_SEARCH:
		s.countdown = 1;
		break;
	}
}

void schedule_focus(unsigned steps)
{
	unsigned plan = s.policy == POLICY_LOCAL ? sim.self : 0;

	if (!sim.scheduling || s.policy > POLICY_LOCAL || random_below(2))
		return;
	make_plan(plan, 2, steps);
	s.plan[plan].next = 0;
	s.countdown = planned(plan);
}

static unsigned pick_search(void)
{
	unsigned moves[ACTORS], n = 0;
	bool going_on = s.enabled >> s.rank[s.last] & 1;

	if (going_on)
		moves[n++] = s.last;
	for (unsigned a = 0; a < ACTORS && (!going_on || s.switches); a++)
		if (a != s.last && s.enabled >> s.rank[a] & 1)
			moves[n++] = a;
	unsigned choice = n > 1 ? search_choose(n) : 0;

	if (going_on && choice)
		s.switches--;
	return moves[choice];
}

static unsigned pick(void)
{
	u64 e = s.enabled;

	switch (s.policy) {
	case POLICY_PCT:
	case POLICY_LOCAL:
		break;
	case POLICY_RANDOM:
		for (unsigned skip = random_below((unsigned)__builtin_popcountll(e)); skip; skip--)
			e &= e - 1;
		return s.at[__builtin_ctzll(e)];
	case POLICY_SEARCH:
		return pick_search();
	}
	return s.at[63 - __builtin_clzll(e)];
}

static void set_running(struct sim_cpu *c, bool running)
{
	unsigned cpu = (unsigned)(c - sim.cpu);

	c->running = running;
	flush_cpu(cpu)->steal.preempted = (u8)(running ? 0 : KVM_PV_PREEMPTED);
	if (sim.logging)
		timeline_add(cpu, "~ %s by the host", running ? "resumed" : "descheduled");
	schedule_refresh(c);
}

void schedule_resume(struct sim_cpu *c)
{
	if (!c->running)
		set_running(c, true);
}

/* Descheduling is an exit: nothing is left in the store buffer. */
static void host_acts(struct sim_cpu *c)
{
	if (c->running) {
		memory_drain(c);
		s.left[c - sim.cpu].deschedules--;
	}
	set_running(c, !c->running);
	if (!c->running && s.policy <= POLICY_LOCAL)
		demote(ACT_HOST * SIM_CPUS + (unsigned)(c - sim.cpu));
}

/* What is not code. */
static void act(unsigned actor)
{
	struct sim_cpu *c = &sim.cpu[actor % SIM_CPUS];
	struct sim_budget *left = &s.left[actor % SIM_CPUS];

	switch ((enum sim_actor)(actor / SIM_CPUS)) {
	case ACT_DRAIN:
		memory_drain_one(c);
		break;
	case ACT_IRQ:
		if (c->posted) {
			memory_drain(c);
			tlb_flush_request(c, c->posted);
			c->posted = NULL;
		} else if (ring_due(actor % SIM_CPUS)) {
			ring_act(c);
		} else {
			c->deliver = true;
		}
		break;
	case ACT_HOST:
		host_acts(c);
		break;
	case ACT_TICK:
		left->ticks--;
		threads_tick(c);
		break;
	case ACT_WALK:
		left->walks--;
		tlb_set_accessed(c);
		break;
	case ACT_CODE:
	case ACT_KINDS:
		break;
	}
	schedule_refresh(c);
}

static void count_step(void)
{
	if (++s.steps > STEPS_MAX)
		sim_fail("the schedule does not end: somebody loops");
}

static _Noreturn void to_main(void)
{
	struct coroutine nobody = { 0 };

	sim.scheduling = false;
	coroutine_switch(&nobody, &s.main);
	abort();
}

static _Noreturn void end_of_schedule(void)
{
	for (unsigned i = 0; i < sim.threads; i++)
		if (!sim.thread[i].ended && !sim.thread[i].daemon)
			sim_fail("deadlock: thread %s waits for ever", sim.thread[i].name);
	to_main();
}

static void change_point(void)
{
	if (s.policy <= POLICY_LOCAL)
		demote(s.last);
	next_countdown();
}

/* Nobody else can do anything. */
static void resume_starved(void)
{
	for (unsigned i = 0; i < sim.cpus; i++)
		if (sim.cpu[i].starved)
			schedule_resume(&sim.cpu[i]);
}

/* Lets others act until it is the turn of some CPU's code; returns when it is the caller's. */
static void reschedule(void)
{
	struct sim_cpu *me = sim_cpu();
	struct sim_thread *self = me->stack;

	for (;;) {
		if (!s.enabled)
			resume_starved();
		if (!s.enabled)
			end_of_schedule();
		unsigned actor = pick();

		s.last = actor;
		for (; s.yielded; s.yielded &= s.yielded - 1)
			schedule_refresh(&sim.cpu[__builtin_ctz(s.yielded)]);
		if (actor / SIM_CPUS == ACT_CODE) {
			sim.self = actor % SIM_CPUS;
			break;
		}
		count_step();
		act(actor);
		if (s.policy != POLICY_LOCAL && --s.countdown == 0)
			change_point();
	}
	if (s.policy == POLICY_LOCAL && sim_cpu() != me) {
		s.plan[me - sim.cpu].countdown = s.countdown;
		s.countdown = s.plan[sim.self].countdown;
	}
	s.floor = s.policy <= POLICY_LOCAL ? s.rank[s.last] + 1u : 63;
	if (sim_cpu()->stack != self)
		coroutine_switch(&self->stack, &sim_cpu()->stack->stack);
}

void sim_step(void)
{
	if (!sim.scheduling)
		return;
	count_step();
	if (--s.countdown && !(s.enabled >> s.floor))
		return;
	if (!s.countdown)
		change_point();
	reschedule();
	threads_interrupt();
}

void schedule_yield(void)
{
	unsigned me = ACT_CODE * SIM_CPUS + sim.self;
	u64 bit;

	if (!sim.scheduling)
		sim_fail("a wait outside a schedule");
	if (s.policy <= POLICY_LOCAL)
		demote(me);
	bit = 1ull << s.rank[me];
	if (s.enabled & ~bit)
		s.enabled &= ~bit; /* for this once */
	s.yielded |= 1u << sim.self;
	reschedule();
	threads_interrupt();
}

void schedule_block(void)
{
	count_step();
	schedule_refresh(sim_cpu());
	reschedule();
}

void sim_fail(const char *what, ...)
{
	struct sim_result *r = s.result;
	va_list args;

	va_start(args, what);
	vsnprintf(r->text, sizeof(r->text), what, args);
	va_end(args);
	r->failed = true;
	if (sim.logging)
		timeline_add(sim.self, "*** %s", r->text);
	to_main();
}

/* For code outside schedules: setup and finish may fail too. */
static struct {
	void (*fn)(void);
	struct coroutine stack;
} guarded;

static void guarded_main(void *unused)
{
	(void)unused;
	guarded.fn();
	to_main();
}

void schedule_guard(void (*fn)(void), struct sim_result *result)
{
	s.result = result;
	guarded.fn = fn;
	coroutine_start(&guarded.stack, guarded_main, NULL);
	coroutine_switch(&s.main, &guarded.stack);
}

void schedule_run(struct sim_budget budget, struct sim_result *result)
{
	s.result = result;
	s.steps = 0;
	s.enabled = 0;
	s.yielded = 0;
	s.last = ACT_CODE * SIM_CPUS;
	for (unsigned i = 0; i < SIM_CPUS; i++) {
		s.plan[i].next = 0;
		s.plan[i].countdown = s.policy == POLICY_LOCAL ? planned(i) : 0;
	}
	next_countdown();
	for (unsigned i = 0; i < SIM_CPUS; i++)
		s.left[i] = budget;
	sim.scheduling = true;
	for (unsigned i = 0; i < sim.cpus; i++)
		schedule_refresh(&sim.cpu[i]);
	sim.self = 0;
	s.floor = 0;
	coroutine_switch(&s.main, &sim.cpu[0].stack->stack);
	result->steps = s.steps;
}
