/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/memory.h"
#include "guest/flush/flush.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/print.h"
#include "guest/mm/gather.h"
#include "guest/mm/held.h"
#include "guest/mm/page.h"
#include "guest/mm/table.h"
#include "guest/mm/walk.h"

/* One page of memory, which the mm has for life: a batch never fails for want of it. */
struct mmu_gather {
	struct mm *mm;
	bool open;
	bool full;     /* more ranges than the request holds */
	bool unlinked; /* a table was */
	u32 tables; /* first frame of the list of unlinked tables, through page->next; 0 ends it */
	u32 pages;
	u64 small;		    /* 4 KiB pages in them */
	u64 start, end;		    /* debt_post()'s; else end is 0 */
	struct flush_request flush; /* the ranges so far */
	u32 page[GATHER_PAGES];	    /* frame numbers */
};

_Static_assert(sizeof(struct mmu_gather) <= PAGE_SIZE, "one page");
_Static_assert(GATHER_PAGES <= HELD_FRAMES, "a batch can be held");

static struct gather_counters counters;

void gather_counters(struct gather_counters *out)
{
	out->flushes = mem_load(&counters.flushes);
	out->pages = mem_load(&counters.pages);
	out->tables = mem_load(&counters.tables);
}

struct mmu_gather *gather_create(struct mm *mm)
{
	paddr_t pa = page_alloc_zeroed();
	struct mmu_gather *g = phys_to_virt(pa);

	if (pa == PADDR_NONE)
		return NULL;
	g->mm = mm;
	return g;
}

void gather_destroy(struct mmu_gather *g)
{
	page_put(virt_to_phys(g));
}

struct mmu_gather *gather_begin(struct mm *mm)
{
	struct mmu_gather *g = mm->gather;

	ASSERT(mutex_held(&mm->lock) && !g->open && !mm->debts);
	g->open = true;
	return g;
}

struct mm *gather_mm(const struct mmu_gather *g)
{
	return g->mm;
}

void gather_range(struct mmu_gather *g, u64 start, u64 end)
{
	struct flush_request *f = &g->flush;
	struct flush_range *last = f->nr_ranges ? &f->ranges[f->nr_ranges - 1] : NULL;
	u64 pages = (end - start) / PAGE_SIZE;

	if (last && last->start + last->pages * PAGE_SIZE == start) {
		last->pages += pages;
	} else if (f->nr_ranges < FLUSH_MAX_RANGES) {
		f->ranges[f->nr_ranges++] = (struct flush_range){ start, pages };
	} else {
		g->full = true;
	}
}

/* The pages are somebody else's now. */
static void forget_pages(struct mmu_gather *g)
{
	mem_add(&counters.pages, g->pages);
	g->pages = 0;
	g->small = 0;
}

static void free_pages(struct mmu_gather *g)
{
	page_put_many(g->page, g->pages);
	forget_pages(g);
}

/* The level of a table that waits is in page->prev. */
static void free_tables(struct mmu_gather *g)
{
	while (g->tables) {
		paddr_t table = (paddr_t)g->tables << PAGE_SHIFT;
		struct page *page = page_of(table);

		g->tables = page->next;
		gather_free_table(g->mm, table, page->prev);
	}
}

/* The pages that a table of that level maps itself. The mm's dirty bits are counted. */
static void free_leaves(struct mm *mm, paddr_t table, unsigned level)
{
	u32 frame[PT_ENTRIES], count = 0;

	for (u32 i = 0; i < PT_ENTRIES; i++) {
		pte_t e = pte_read((pte_t *)phys_to_virt(table) + i);

		if (!(e & PTE_PRESENT) || !pte_is_leaf(e, level))
			continue;
		mm->dirty += !!(e & PTE_DIRTY);
		frame[count++] = (u32)(pte_addr(e) >> PAGE_SHIFT);
	}
	page_put_many(frame, count);
	mm->mapped -= count * (level_bytes(level) / PAGE_SIZE);
	mem_add(&counters.pages, count);
}

void gather_free_table(struct mm *mm, paddr_t table, unsigned level)
{
	for (u32 i = 0; i < PT_ENTRIES && level > 1; i++) {
		pte_t e = pte_read((pte_t *)phys_to_virt(table) + i);

		if (e & PTE_PRESENT && !pte_is_leaf(e, level))
			gather_free_table(mm, pte_addr(e), level - 1);
	}
	if (level <= LARGE_LEVEL)
		free_leaves(mm, table, level);
	mm->tables--;
	mem_add(&counters.tables, 1);
	walk_retire_table(mm, table);
}

static bool is_elsewhere(const struct cpumask *cpus)
{
	struct cpumask others = *cpus;

	cpumask_clear(&others, cpu_id());
	return !cpumask_empty(&others);
}

/* Steps 3 and 4, later. Not for tables: those are free when the call returns. */
static bool post(struct mmu_gather *g)
{
	if (!g->end || !g->pages || g->unlinked || !is_elsewhere(&g->flush.targets))
		return false;
	if (!held_post(g->mm, g->start, g->end, &g->flush, g->page, g->pages, g->small))
		return false;
	forget_pages(g);
	g->flush.nr_ranges = 0;
	g->full = false;
	return true;
}

static void settle(struct mmu_gather *g)
{
	struct mm *mm = g->mm;

	if (!g->flush.nr_ranges)
		return; /* nothing was collected: whatever is has a range */
	/*
	 * After the last unlink and before the flush and the free: gup_fast()'s V and
	 * R2. Plain, for one lock covers all bumps; TSO keeps it after the unlinks.
	 */
	if (g->unlinked)
		mem_store(&mm->pt_seq, mm->pt_seq + 1);
	/*
	 * The entries before the look at mm->cpus; pairs with mm_switch(), which sets
	 * its bit before it loads the root. A CPU that is missing here walks the new entries.
	 * The generation too: it looks at that after the bit, and forgets the old ones.
	 */
	mem_store(&mm->tlb_gen, mm->tlb_gen + 1);
	mem_fence();
	cpumask_copy(&g->flush.targets, &mm->cpus);
	g->flush.flags = g->unlinked ? FLUSH_TABLES : 0;
	if (g->full)
		g->flush.nr_ranges = 0;
	if (post(g))
		return;
	flush_tlb(&g->flush);
	mem_add(&counters.flushes, 1);
	free_pages(g);
	free_tables(g);
	g->flush.nr_ranges = 0;
	g->full = g->unlinked = false;
}

void gather_page(struct mmu_gather *g, u64 va, pte_t old, unsigned level)
{
	gather_range(g, va, va + level_bytes(level));
	g->small += level_bytes(level) / PAGE_SIZE;
	g->mm->mapped -= level_bytes(level) / PAGE_SIZE;
	g->mm->dirty += !!(old & PTE_DIRTY);
	g->page[g->pages++] = (u32)(pte_addr(old) >> PAGE_SHIFT);
	if (g->pages == GATHER_PAGES)
		settle(g);
}

void gather_unlinked(struct mmu_gather *g, u64 va, unsigned level)
{
	gather_range(g, va, va + level_bytes(level));
	g->unlinked = true;
}

void gather_table(struct mmu_gather *g, u64 va, paddr_t table, unsigned level)
{
	struct page *page = page_of(table);

	gather_unlinked(g, va, level + 1);
	page->prev = level;
	page->next = g->tables;
	g->tables = (u32)(table >> PAGE_SHIFT);
}

struct flush_debt gather_end(struct mmu_gather *g)
{
	ASSERT(g->open);
	g->open = false;
	g->mm->debts++;
	return (struct flush_debt){ g->mm };
}

void debt_settle(struct flush_debt debt)
{
	ASSERT(debt.mm->debts == 1);
	settle(debt.mm->gather);
	debt.mm->debts = 0;
}

void debt_post(struct flush_debt debt, u64 start, u64 end)
{
	struct mmu_gather *g = debt.mm->gather;

	g->start = start;
	g->end = end;
	debt_settle(debt);
	g->end = 0;
}
