/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pinning user pages without a lock, while others unmap them: the
 * sequence-validated walk. It never disables interrupts and may be descheduled
 * anywhere, for any time; its only store to shared memory is the page reference.
 *
 *   reader                                updater, under mm->lock
 *   s = pt_seq                            U1 unlink the tables of the batch
 *   each level: e = entry                 U2 pt_seq + 1
 *        V: pt_seq == s, before e is used    flush the TLBs
 *   count of e's page + 1, unless zero    free, at once and to anybody
 *   R1: entry still e (but for A, D)
 *   R2: pt_seq == s; else drop the page
 *
 * TSO keeps U1 < U2 < any store of the next owner of a freed table. A reader
 * that loads such a store therefore reads a newer pt_seq afterwards (loads stay in
 * order) and goes the slow way. Nobody waits for a reader.
 */
#ifndef GUEST_MM_GUP_H
#define GUEST_MM_GUP_H

#include "guest/mm/mm.h"

#define GUP_WRITE (1u << 0) /* for writing */

/*
 * A pinned page is the mm's own: PTE_EXCLUSIVE is in its entry, or copy-on-write is broken first,
 * for reading too. Fork copies a pinned page for the child. So the pin and the mapping
 * reach one and the same page until the mapping goes, or is unmapped and faulted in anew.
 */

/*
 * References the 4 KiB pages of [start, start + count pages) in pages[]; stops
 * at the first one that the lock-free way cannot have. Returns how many, 0 to count.
 * `start` is page aligned, the range in the lower half. `mm` is the calling thread's own; seq
 * would do with any the thread is a user of, but flushes reach only CPUs that have `mm`
 * loaded, and irqoff and counter stand on them (walk.h). Any context, interrupts as they are.
 */
u32 gup_fast_only(struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages);

/*
 * The same and, for the rest, under mm->lock with faults. The number pinned, at
 * least 1, or -EFAULT, -EINVAL (misaligned start, count 0, range outside the lower half), -ENOMEM.
 * Thread context, interrupts on, mm->lock not held.
 */
s64 gup_fast(struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages);

/* Drops the references. Any context. */
void gup_unpin(const paddr_t *pages, u32 count);

/* How often readers went the slow way; relaxed sum over CPUs. */
u64 gup_slow_count(void);

#endif
