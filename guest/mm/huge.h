/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 2 MiB pages: an allocated block of order 9, referenced once by each entry that maps of it, and
 * by each pin. After a split its memory is free only when the last of them is gone.
 */
#ifndef GUEST_MM_HUGE_H
#define GUEST_MM_HUGE_H

#include "guest/mm/gather.h"

#define HUGE_ORDER 9u

/*
 * Replaces the 512 small pages at `va` (2 MiB aligned) by one large one with the
 * same contents; holes become zeroes. 0, also if it is one already; -EINVAL unless one VMA covers
 * it; -EAGAIN if a page is shared, pinned or part of a block; -ENOMEM. Thread context, mm->lock not
 * held.
 */
int mm_collapse(struct mm *mm, u64 va);

/*
 * Replaces the large page that maps `va`, if one does, by a table of 512 entries
 * of the same pages. 0 or -ENOMEM. mm->lock held. The flush is the gather's.
 */
int huge_split(struct mmu_gather *g, u64 va);

#endif
