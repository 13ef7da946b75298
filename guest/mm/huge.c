/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/lib/errno.h"
#include "guest/lib/string.h"
#include "guest/mm/exit.h"
#include "guest/mm/huge.h"
#include "guest/mm/page.h"
#include "guest/mm/table.h"
#include "guest/mm/vma.h"

static pte_t small_entry(paddr_t table, u32 i)
{
	return pte_read((pte_t *)phys_to_virt(table) + i);
}

/* Whether each page is mapped by its entry here and is nobody else's besides. */
static bool all_ours(paddr_t table)
{
	for (u32 i = 0; i < PT_ENTRIES; i++) {
		pte_t e = small_entry(table, i);

		if (e & PTE_PRESENT &&
		    (page_of(page_block(pte_addr(e)))->order || page_refs(pte_addr(e)) > 1))
			return false;
	}
	return true;
}

/*
 * Takes the table that `slot` names out of use, if all its pages are ours alone. The
 * unlink, the bump of pt_seq and the flush come before the look at the counts and before
 * the copy:
 *   - faults wait for mm->lock, and after the flush no CPU reaches the pages, so
 *     they do not change while they are copied, nor do accessed and dirty bits;
 *   - a gup_fast() that has passed R2 got its reference before the bump, so all_ours()
 *     sees it; one that has not drops it again. The pair: bump, fence (debt_settle()), count
 *     here; count (locked), sequence there.
 * If a page is not, the table is linked again. That hides nothing from anybody, so it
 * needs no bump: a reader finds the table or goes the slow way.
 */
static bool take_table(struct mm *mm, u64 va, pte_t *slot, paddr_t table)
{
	struct mmu_gather *g;
	pte_t link;

	if (!all_ours(table))
		return false; /* a hint that spares the flush */
	link = pte_exchange(slot, 0);
	g = gather_begin(mm);
	gather_unlinked(g, va, LARGE_LEVEL);
	debt_settle(gather_end(g));
	if (all_ours(table))
		return true;
	pte_write(slot, link);
	return false;
}

static void copy_small(paddr_t block, paddr_t table)
{
	for (u32 i = 0; i < PT_ENTRIES; i++) {
		pte_t e = small_entry(table, i);
		void *to = phys_to_virt(block + i * PAGE_SIZE);

		if (e & PTE_PRESENT)
			memcpy(to, phys_to_virt(pte_addr(e)), PAGE_SIZE);
		else
			memset(to, 0, PAGE_SIZE);
	}
}

/* What was dirty is collected with the old table; the large page begins clean. */
static void map_block(struct mm *mm, pte_t *slot, paddr_t block, unsigned prot)
{
	mm->mapped += PT_ENTRIES;
	pte_write(slot, block | vma_flags(prot) | PTE_EXCLUSIVE | PTE_LARGE | PTE_PRESENT);
}

static int collapse_table(struct mm *mm, u64 va, pte_t *slot, paddr_t block, unsigned prot)
{
	paddr_t table = pte_addr(pte_read(slot));

	if (!take_table(mm, va, slot, table))
		return -EAGAIN;
	copy_small(block, table);
	map_block(mm, slot, block, prot);
	gather_free_table(mm, table,
			  1); /* no second flush: nobody could cache it since the first */
	return 0;
}

static int collapse_locked(struct mm *mm, u64 va)
{
	const struct vma *v = vma_find(mm, va);
	pte_t *slot;
	paddr_t block;
	int r = 0;

	if (!v || v->end - va < LARGE_PAGE_SIZE)
		return -EINVAL;
	slot = mm_slot_alloc(mm, va, LARGE_LEVEL);
	if (!slot)
		return -ENOMEM;
	if (pte_read(slot) & PTE_LARGE)
		return 0;
	block = page_alloc_order(HUGE_ORDER);
	if (block == PADDR_NONE)
		return -ENOMEM;
	if (pte_read(slot) & PTE_PRESENT) {
		r = collapse_table(mm, va, slot, block, v->prot);
	} else {
		memset(phys_to_virt(block), 0, LARGE_PAGE_SIZE);
		map_block(mm, slot, block, v->prot);
	}
	if (r)
		page_put(block);
	return r;
}

int mm_collapse(struct mm *mm, u64 va)
{
	bool last = false;
	int r;

	if (va % LARGE_PAGE_SIZE || va >= USER_END)
		return -EINVAL;
	do {
		mm_lock(mm);
		r = collapse_locked(mm, va);
		mm_unlock(mm);
	} while (r == -ENOMEM && exit_try_again(&last));
	return r;
}

/*
 * The entry is cleared first, so that it keeps its last accessed and dirty bits and all
 * small ones inherit them: a CPU that goes on with a translation it knows to be dirty sets no
 * bit anew. Until the gather's flush a CPU may use large and small translations
 * side by side; they agree. Each small entry gets a reference of the block.
 */
int huge_split(struct mmu_gather *g, u64 va)
{
	pte_t *slot = pt_slot(gather_mm(g)->root, va, LARGE_LEVEL);
	paddr_t table;
	pte_t large;

	if (!slot || !(pte_read(slot) & PTE_LARGE))
		return 0;
	table = page_alloc();
	if (table == PADDR_NONE)
		return -ENOMEM;
	large = pte_exchange(slot, 0);
	page_get_more(pte_addr(large), PT_ENTRIES - 1);
	for (u32 i = 0; i < PT_ENTRIES; i++)
		pte_write((pte_t *)phys_to_virt(table) + i, (large & ~PTE_LARGE) + i * PAGE_SIZE);
	pte_write(slot, table | PTE_PRESENT | PTE_WRITE | PTE_USER); /* after its entries: TSO */
	gather_mm(g)->tables++;
	va = ALIGN_DOWN(va, LARGE_PAGE_SIZE);
	gather_range(g, va, va + LARGE_PAGE_SIZE);
	return 0;
}
