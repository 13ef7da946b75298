/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages whose flush is posted on a ring (flush/ring.h): "flushed before reuse", not at
 * once. munmap gives them here instead of to the allocator and returns; they keep the
 * references that the mappings had. What must hold:
 *
 *   - a page goes to the allocator when the flush is complete, not before;
 *   - nothing is mapped at an address whose flush is not complete: held_wait() comes
 *     before each VMA that is new. So no VMA ever overlaps a range that is held, and faults,
 *     mprotect, fork, collapse need not know of it.
 *
 * The host is not woken for each post, for it serves several at the price of one. Meanwhile threads
 * on other CPUs may go on to use the old pages, to nobody's harm. That is
 * why only munmap does so: whoever uses what is unmapped is wrong anyway, but after
 * MADV_DONTNEED a read must find zeroes, and a write must last.
 *
 * The end of an mm needs nothing of this: its pages here wait for their own flush.
 */
#ifndef GUEST_MM_HELD_H
#define GUEST_MM_HELD_H

#include "guest/flush/flush.h"
#include "guest/mm/mm.h"

#define HELD_BATCHES 16u   /* one a munmap, of all mms together */
#define HELD_FRAMES  512u  /* references in a batch */
#define HELD_PAGES   2048u /* 4 KiB pages, of all batches; a 2 MiB page counts as 512 */

/* "waited", until this is called, or "posted": where the backend has rings. False: no such way. */
bool held_set_munmap(const char *name);
bool held_is_posted(void);

/*
 * Posts `req`, whose targets and ranges are set, and holds the references to the `frames`
 * frames until it is complete; all were mapped in [start, end), `pages` 4 KiB pages together.
 * False: not wanted, no ring, too many, or too much is held: nothing is done. mm->lock held.
 */
bool held_post(const struct mm *mm, u64 start, u64 end, const struct flush_request *req,
	       const u32 *frame, u32 frames, u64 pages);

/* Whether held_wait() would wait, at this moment; *batch_end: the end of a batch for which. */
bool held_overlap(const struct mm *mm, u64 start, u64 end, u64 *batch_end);

/*
 * Until no CPU has a translation of what was unmapped from `mm` in [start, end). mm->lock
 * held, or the caller is who unmapped it. Context as flush_tlb().
 */
void held_wait(const struct mm *mm, u64 start, u64 end);

/*
 * Memory is short, or counted: waits for every flush posted so far, and frees the pages. True:
 * there were some. Thread context, no mm->lock held.
 */
bool held_drain(void);

struct held_counters {
	u64 posted; /* batches */
	u64 pages;  /* 4 KiB pages in them */
	u64 waited; /* times that held_wait() or held_drain() found a flush not complete */
	u64 full;   /* munmaps that flushed at once because too much was held */
	u64 most;   /* 4 KiB pages held at a time */
};
void held_counters(struct held_counters *out);

#endif
