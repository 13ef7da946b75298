/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which root each CPU runs on. CR3 owns a reference to its root (mm->root_refs):
 * taken before the root is loaded, dropped after another one is live. Kernel
 * threads keep the root they find (lazy); an idle CPU leaves it before it halts.
 */
#ifndef GUEST_MM_SWITCH_H
#define GUEST_MM_SWITCH_H

#include "guest/mm/mm.h"

/*
 * This CPU goes on with a thread of `next`, which has users; NULL: a kernel thread.
 * Interrupts off. Loads CR3 only if the root in it is another one. The Dekker pair with
 * flushes: the bit in mm->cpus (locked), then CR3, whose walks read the entries;
 * a flush stores the entries, fences, then reads mm->cpus. One sees the other.
 */
void mm_switch(struct mm *next);

/* Leaves a lazy root for the kernel's. Interrupts off. Before HLT, and at exit. */
void mm_leave_lazy(void);

/* The calling thread runs in `mm` from now on: one user's reference is its own. Thread context. */
void mm_use(struct mm *mm);

/*
 * The calling thread is a kernel thread again; its user's reference is the caller's to
 * drop. Its CPU keeps the root, lazily, for the case that a thread of the same mm comes next.
 */
void mm_disuse(void);

/*
 * Drops a reference to mm's root. The last one hands the mm to the reaper (exit.h),
 * so it may be called inside a context switch.
 */
void root_put(struct mm *mm);

#endif
