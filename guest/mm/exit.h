/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of an address space. No thread of it exists any more, but lazy CPUs may
 * have its root in CR3, and their hardware walks it speculatively.
 *
 *   batch   unmaps like munmap: a flush for each gather batch
 *   fullmm  clears the root's user entries, one flush of mm->cpus, then harvests and frees
 *   cr3ref  does nothing until the last CR3 that holds the root is gone, then frees:
 *           no flush at all, for no CPU has translations of it
 *   detach  has the host move lazy CPUs to the kernel's root now, by one
 *           hypercall, then like cr3ref; where the host cannot, it is cr3ref
 *
 * With the first two the pages go at once and only the root page stays until the
 * last CR3 is gone; they must clear what a lazy CPU could walk. With the others nothing is cleared.
 */
#ifndef GUEST_MM_EXIT_H
#define GUEST_MM_EXIT_H

#include "guest/mm/mm.h"

/* X(id, "name") */
#define EXIT_STRATEGIES(X)   \
	X(BATCH, "batch")    \
	X(FULLMM, "fullmm")  \
	X(CR3REF, "cr3ref")  \
	X(DETACH, "detach")

enum exit_strategy {
#define EXIT_ENUM(id, name) EXIT_##id,
	EXIT_STRATEGIES(EXIT_ENUM)
#undef EXIT_ENUM
	EXIT_STRATEGY_COUNT
};

/* cr3ref until this is called. False: no such name. Takes effect for exits that begin later. */
bool exit_set_strategy(const char *name);
enum exit_strategy exit_strategy(void);

/* The last user is gone; mm_put() calls it. Thread context, interrupts on; this CPU does not use it. */
void exit_mm(struct mm *mm);

/* The root's last reference is gone. Any context with interrupts off. */
void exit_queue_dead(struct mm *mm);

/* Tears down what is queued, on the calling thread; returns how many mms. Thread context. */
u32 exit_reap(void);

/* Starts the reaper thread on that CPU. Without it somebody calls exit_reap(). */
void exit_start_reaper(u32 cpu);

/* Moves lazy CPUs off every dead mm, by detach or by a flush: memory is short. Thread context. */
void exit_hurry(void);

#endif
