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
 * This CPU goes on with a thread of `next`; NULL: a kernel thread. Interrupts
 * off. Loads CR3 only if the root in it is another one. The Dekker pair with
 * flushes: the bit in mm->cpus (locked), then CR3, whose walks read the entries;
 * a flush stores the entries, fences, then reads mm->cpus. One sees the other.
 */
void mm_switch(struct mm *next);

/* Leaves a lazy root for the kernel's. Interrupts off. Before HLT, and at exit. */
void mm_leave_lazy(void);

/*
 * Drops a reference to mm's root. The last one hands the mm to the reaper (exit.h),
 * so it may be called inside a context switch.
 */
void root_put(struct mm *mm);

#endif
