/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmu_gather: collects what an unmap takes out of the tables, and frees it when
 * nobody can reach it any more. The one order in which that is right, for each batch:
 *
 *   1. unlink: every entry is cleared (locked, or nobody walks this mm)
 *   2. pt_seq + 1, if a table was unlinked: after the last unlink, before the
 *      free. gup_fast() that has loaded an entry of such a table sees it (gup.h)
 *   3. flush of every CPU in mm->cpus, lazy ones too: hardware walkers
 *   4. free: pages and tables may be anything from now on
 *
 * gather_end() does not do steps 2 to 4: it returns a debt. The debt must be
 * settled or merged before mm->lock is given back; forgetting it does not
 * compile without a warning, and mm_unlock() panics.
 */
#ifndef GUEST_MM_GATHER_H
#define GUEST_MM_GATHER_H

#include "guest/mm/mm.h"

#define GATHER_PAGES 512u /* data pages in a batch; tables likewise */

struct flush_debt {
	struct mm *mm; /* NULL: nothing is owed */
};

/* mm->lock held; one gather an mm at a time. */
struct mmu_gather *gather_begin(struct mm *mm);

/*
 * The entry for `va` has been cleared and was `old`: collects its page, whose
 * reference passes to the gather, its accessed and dirty bits, and the range to
 * flush. `level` 1: 4 KiB, 2: 2 MiB. A full batch is settled on the way.
 */
void gather_page(struct mmu_gather *g, u64 va, pte_t old, unsigned level);

/* The table that served [va, ...) at `level` has been unlinked. */
void gather_table(struct mmu_gather *g, u64 va, paddr_t table, unsigned level);

/* Only protections of [start, end) have been lowered: nothing to free, a flush to do. */
void gather_range(struct mmu_gather *g, u64 start, u64 end);

/* Closes the gather. */
struct flush_debt gather_end(struct mmu_gather *g) __attribute__((warn_unused_result));

/* Carries steps 2 to 4 out. */
void debt_settle(struct flush_debt debt);

/*
 * The same work left to `g`, begun later on the same mm: one flush serves both. Until
 * then nothing of the debt is freed.
 */
void debt_merge(struct mmu_gather *g, struct flush_debt debt);

/* Counters, all mms; for tests and benchmarks. */
struct gather_counters {
	u64 flushes; /* calls of flush_tlb() */
	u64 batches; /* settled */
	u64 pages, tables; /* freed */
};
void gather_counters(struct gather_counters *out);

#endif
