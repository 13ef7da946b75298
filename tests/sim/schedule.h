/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who takes the next step. Actors are, for each CPU: its code, its store buffer,
 * its interrupts, its host, its timer tick, its page walker.
 *
 *   pct      each actor has a random priority; the highest that can act does, until
 *            one of d random steps demotes it (probabilistic concurrency testing)
 *   local    the same, the steps of each CPU's code counted by itself
 *   random   any that can act, at each step or for stretches of random length
 *   search   every order with at most so many switches away from an actor that could go on
 */
#ifndef SIM_SCHEDULE_H
#define SIM_SCHEDULE_H

#include "tests/sim/machine.h"

enum sim_actor { ACT_CODE, ACT_DRAIN, ACT_IRQ, ACT_HOST, ACT_TICK, ACT_WALK, ACT_KINDS };

/* Budgets of a schedule, for each CPU: things that happen only so often. */
struct sim_budget {
	unsigned deschedules, ticks, walks;
};

struct sim_result {
	bool failed;
	u64 steps;
	char text[400];
};

/* The next schedule: by seed; `steps` is about how long one is. */
void schedule_seeded(u64 seed, u64 steps);
/* The next of an exhaustive search; false: there is none. `first` begins one. */
bool schedule_search(bool first, unsigned switches);
/* The same one once more. */
void schedule_search_again(unsigned switches);

/* Runs the threads to their end. */
void schedule_run(struct sim_budget budget, struct sim_result *result);

/* Runs code outside schedules, on CPU 0, in which an oracle may fail. */
void schedule_guard(void (*fn)(void), struct sim_result *result);

/* A choice among 0 to n-1. */
unsigned sim_choose(unsigned n);

/*
 * The next `steps` steps of the calling CPU's code are delicate: every other time two changes
 * of the plan fall among them. In a search there is nothing to plan.
 */
void schedule_focus(unsigned steps);

/* Before every step of the calling CPU's code. */
void sim_step(void);

/* The calling CPU's code can do nothing now; returns when it is scheduled again. */
void schedule_block(void);

/* Somebody else acts first, if anybody can. */
void schedule_yield(void);

/* The host runs the CPU again, if it does not. */
void schedule_resume(struct sim_cpu *c);

/* What the CPU can do may have changed. */
void schedule_refresh(const struct sim_cpu *c);

u64 schedule_steps(void);

#endif
