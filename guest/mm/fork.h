/* SPDX-License-Identifier: BSD-2-Clause */
/* Copy-on-write copies of an address space. */
#ifndef GUEST_MM_FORK_H
#define GUEST_MM_FORK_H

#include "guest/mm/mm.h"

/*
 * A copy of `mm`, with one user. Pages are shared without PTE_WRITE; a page that
 * somebody has pinned (gup.h: it is the parent's own) is copied at once, so that the pin and the
 * parent go on sharing it. NULL: no memory. The parent's CPUs have been flushed when it returns.
 * Thread context, interrupts on, no lock held.
 */
struct mm *mm_fork(struct mm *mm);

#endif
