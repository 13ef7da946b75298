/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls on a user's mappings: anonymous memory only. All: thread context,
 * interrupts on, mm->lock not held; `addr` and sizes come from user mode and are
 * checked: -EINVAL for what is misaligned, empty or outside the lower half, -ENOMEM
 * without memory, or with VMA_MAX mappings. On error nothing has changed, but that after
 * -ENOMEM large pages in the range may be split.
 */
#ifndef GUEST_MM_MAP_H
#define GUEST_MM_MAP_H

#include "guest/mm/mm.h"
#include "guest/mm/vma.h"

#define USER_MIN 0x10000ul /* nothing is mapped below */
#define USER_MAX    \
	(USER_END - \
	 PAGE_SIZE) /* nor above: a system call there would return to a non-canonical address */

#define MAP_HUGE                                                                        \
	(1u << 0) /* 2 MiB pages where the range holds them; `addr` 0 is placed aligned \
		   */

/* Maps zeroes at `addr`, or at a free place if it is 0; replaces nothing (-EINVAL). The address. */
s64 mm_map(struct mm *mm, u64 addr, u64 bytes, unsigned prot, unsigned flags);

/*
 * Unmaps what there is in the range; tables that serve nothing else are free when it returns. With
 * munmap "posted" (held.h) threads on other CPUs may use the pages for a while yet, until
 * something is mapped there again at the latest.
 */
s64 mm_unmap(struct mm *mm, u64 addr, u64 bytes);

/* -ENOMEM if the range has a gap. */
s64 mm_protect(struct mm *mm, u64 addr, u64 bytes, unsigned prot);

/* Moves a mapping of one VMA to `to`, whose range must be free; its contents move along. */
s64 mm_remap(struct mm *mm, u64 addr, u64 bytes, u64 to);

/* The range reads as zeroes afterwards; it stays mapped. */
s64 mm_dontneed(struct mm *mm, u64 addr, u64 bytes);

#endif
