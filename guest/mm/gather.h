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
 * A table goes with all that hangs on it: its leaf entries are not cleared, they are
 * harvested after the flush, when no CPU sets accessed or dirty bits any more.
 *
 * gather_end() does not do steps 2 to 4: it returns a debt, to be settled or posted before
 * mm->lock is given back. Forgetting it is a compiler's warning, and a panic in mm_unlock().
 */
#ifndef GUEST_MM_GATHER_H
#define GUEST_MM_GATHER_H

#include "guest/mm/mm.h"

#define GATHER_PAGES 512u /* in a batch, those cleared one by one */

struct flush_debt {
	struct mm *mm;
};

/* An mm's gather, for its life. NULL: no memory. */
struct mmu_gather *gather_create(struct mm *mm);
void gather_destroy(struct mmu_gather *g);

/* mm->lock held; one gather an mm at a time. */
struct mmu_gather *gather_begin(struct mm *mm);

struct mm *gather_mm(const struct mmu_gather *g);

/*
 * The entry for `va` at `level` has been cleared or replaced, and was `old`:
 * collects its page, whose reference passes to the gather, its dirty bit and its
 * range. A full batch is settled on the way.
 */
void gather_page(struct mmu_gather *g, u64 va, pte_t old, unsigned level);

/* `table`, of that level, which served from `va` on, has been unlinked with all below it. */
void gather_table(struct mmu_gather *g, u64 va, paddr_t table, unsigned level);

/*
 * The entry for `va` at `level`, which named a table, has been cleared. Steps 2 and 3
 * only: the table is the caller's, who settles before he looks at what hung on it.
 */
void gather_unlinked(struct mmu_gather *g, u64 va, unsigned level);

/* Entries in [start, end) have less protection, or elsewhere their place: nothing to free. */
void gather_range(struct mmu_gather *g, u64 start, u64 end);

/* Closes the gather. */
struct flush_debt gather_end(struct mmu_gather *g) __attribute__((warn_unused_result));

/* Steps 2 to 4, as far as there is something to do. Interrupts on. */
void debt_settle(struct flush_debt debt);

/*
 * The same, but that steps 3 and 4 may come after the return (held.h), unless a table is among
 * what was collected since the last full batch. It all lies in [start, end), where no VMA is any
 * more, but for parts of large pages that were split.
 */
void debt_post(struct flush_debt debt, u64 start, u64 end);

/*
 * Step 4 for a table, of that level, with all below it: drops the pages' references and
 * frees the tables. Nobody walks it: every CPU has flushed, or none has the root.
 */
void gather_free_table(struct mm *mm, paddr_t table, unsigned level);

/* Counters, all mms; for tests and benchmarks. */
struct gather_counters {
	u64 flushes;	   /* calls of flush_tlb() */
	u64 pages, tables; /* freed, or held until they are flushed */
};
void gather_counters(struct gather_counters *out);

#endif
