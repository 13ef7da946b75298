/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a few small threads in every order, up to a bound on the switches
 * between them, and with every delay of their stores that x86-TSO allows
 * (SDM vol 3A 8.2): a stateless model checker for protocols of a few steps.
 *
 * The threads are coroutines. The code under test reaches shared memory
 * through model_load(), model_store() and model_rmw() (atomics.h maps
 * <stdatomic.h> to them), the rest of the scenario calls explorer_point()
 * before each of its own steps. What happens between two points is atomic.
 */
#ifndef HF_TESTS_EXPLORER_H
#define HF_TESTS_EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define EXPLORER_MAX_THREADS 4u

struct explorer_scenario {
	unsigned threads;
	unsigned switches; /* most switches away from a thread that could go on, in one run */
	bool patient;	   /* no sleep ends by its timeout: who is not woken waits for ever */
	void *ctx;
	void (*reset)(void *ctx);		       /* before each run: the initial state */
	void (*thread)(void *ctx, unsigned id);	       /* a thread's life */
	void (*at_futex_wait)(void *ctx, unsigned id); /* when thread `id` is about to sleep */
	void (*finish)(void *ctx);		       /* after each run: last checks */
};

struct explorer_report {
	uint64_t runs;
	bool failed;
	char text[256]; /* the violation and the choices that lead to it */
};

/* Runs the scenario in every order within the bound, or until a violation. */
void explorer_run(const struct explorer_scenario *scenario, struct explorer_report *report);

/* The rest is for the threads of a scenario. */

unsigned explorer_self(void);

/* Others may run here. */
void explorer_point(void);

/* A choice among 0 to n-1 that the explorer makes in every way. */
unsigned explorer_choose(unsigned n);

/* Does not return before ready(ctx, self). `may_end`: a run may end with the thread in here. */
void explorer_wait(bool (*ready)(void *ctx, unsigned id), bool may_end);

/* Ends the run with a violation. Also for finish(). */
void explorer_fail(const char *what) __attribute__((noreturn));

/* Drains the store buffer of a thread: what a fence, an interrupt or a system call does. */
void explorer_drain(unsigned id);

enum model_rmw { MODEL_ADD, MODEL_EXCHANGE };

uint64_t model_load(const volatile void *p, size_t size);
/* With `delayed` the store goes through the thread's store buffer, else it is a full barrier. */
void model_store(volatile void *p, size_t size, uint64_t value, bool delayed);
/* A delayed addition is atomic, but may become visible late, as C allows unless it is seq_cst. */
uint64_t model_rmw(volatile void *p, size_t size, enum model_rmw op, uint64_t value, bool delayed);
/* A full barrier. `expected` points to a value of that size. */
bool model_compare_exchange(volatile void *p, size_t size, void *expected, uint64_t value);
long model_syscall(long number, ...);
/* Time only passes when a sleep ends by its timeout, which it does at any moment. */
int model_clock_gettime(clockid_t clock, struct timespec *now);

#endif
