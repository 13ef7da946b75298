/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of an address space. No thread of it exists any more, but lazy CPUs may
 * have its root in CR3, and their hardware walks it speculatively.
 *
 *   batch   unmaps like munmap, page by page: a flush for each gather batch
 *   fullmm  clears the root's user entries, one flush of mm->cpus, then harvests and frees
 *   cr3ref  does nothing until the last CR3 that holds the root is gone, then frees:
 *           no flush at all, for no CPU has translations of it
 *   detach  has the host move lazy CPUs to the kernel's root now, by one
 *           hypercall, then like cr3ref; where the host cannot, it is cr3ref
 *
 * With the first two the pages go at once and only the root page stays until the
 * last CR3 is gone; they must clear what a lazy CPU could walk. With the others nothing is cleared.
 *
 * Where the exit itself drops the last reference it tears down on the spot; a CPU
 * that does so when it leaves the root leaves that to the reaper.
 */
#ifndef GUEST_MM_EXIT_H
#define GUEST_MM_EXIT_H

#include "guest/mm/mm.h"

/* X(id, "name") */
#define EXIT_STRATEGIES(X)  \
	X(BATCH, "batch")   \
	X(FULLMM, "fullmm") \
	X(CR3REF, "cr3ref") \
	X(DETACH, "detach")

enum exit_strategy {
#define EXIT_ENUM(id, name) EXIT_##id,
	EXIT_STRATEGIES(EXIT_ENUM)
#undef EXIT_ENUM
		EXIT_STRATEGY_COUNT
};

/* cr3ref until this is called. False: no such name. Takes effect for exits that begin later. */
bool exit_set_strategy(const char *name);

/*
 * The last user is gone; mm_put() calls it. Thread context, interrupts on. The calling
 * thread does not use it; its CPU leaves the root here.
 */
void exit_mm(struct mm *mm);

/* Some root has lost its last reference. Any context, also inside a switch. */
void exit_root_gone(void);

/* Wakes the reaper if there has been one since. Interrupts off, no lock of the scheduler held. */
void exit_wake_reaper(void);

/*
 * This CPU leaves a root that it has lazily, for the kernel's: before HLT, and where the root's
 * memory is wanted. Any context but a switch; no lock of the scheduler held.
 */
void exit_leave_root(void);

/* Tears down what no CR3 holds, on the calling thread; returns how many mms. Thread context. */
u32 exit_reap(void);

/* Starts the reaper thread on that CPU; once. Without it somebody calls exit_reap(). */
void exit_start_reaper(u32 cpu);

/*
 * Memory is short: waits for what munmap has posted (held.h); takes the pages of every dead mm that
 * lazy CPUs still hold, by detach and, where that does not get at all of them, by a flush; tears
 * down those that wait for the reaper; if there is neither, waits for one whose exit others are at.
 * True: memory has come back. Each mm's comes back once, so loops on it end. Thread context,
 * interrupts on, no lock held.
 */
bool exit_hurry(void);

/*
 * Whether what failed for want of memory is to be tried again. The last try comes after
 * there was nothing left to hurry, for memory may have come back just then. Context as
 *exit_hurry().
 *
 *	bool last = false;
 *
 *	do
 *		r = ...;
 *	while (r == -ENOMEM && exit_try_again(&last));
 */
bool exit_try_again(bool *last);

/* Mms that have begun to exit and are not free to their last page. */
u32 exit_pending(void);

/*
 * Returns when none is, reaping and yielding meanwhile. A CPU that stays lazily on
 * a dead root for ever keeps it waiting for ever.
 */
void exit_wait_reaped(void);

/* Since boot. Flushes, hypercalls and IPIs: flush_counters_sum(); CR3 loads: mm_cpu()->root_loads.
 */
struct exit_counters {
	u64 exits;
	u64 freed;    /* mms torn down */
	u64 detaches; /* calls of the host */
	u64 moved;    /* CPUs, by them */
	u64 dirty;    /* dirty bits collected of mms torn down */
};
void exit_counters(struct exit_counters *out);

#endif
