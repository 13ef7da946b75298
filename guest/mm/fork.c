/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sharing a page takes PTE_WRITE and PTE_EXCLUSIVE from the parent's entry; both mms
 * copy it when they write. A page that somebody has pinned is not shared: the
 * parent's next write would go to a copy and part it from the pin.
 *
 * Fork and gup_fast() run at the same time. Fork takes the bits (locked), then looks at
 * the count; gup_fast() takes its reference (locked), then looks at the entry again, R1.
 * One of them sees the other.
 */
#include "guest/cpu/memory.h"
#include "guest/lib/string.h"
#include "guest/mm/exit.h"
#include "guest/mm/fork.h"
#include "guest/mm/gather.h"
#include "guest/mm/page.h"
#include "guest/mm/table.h"
#include "guest/mm/vma.h"

#define OWNER_BITS (PTE_WRITE | PTE_EXCLUSIVE)

struct fork {
	struct mm *child;
	struct mmu_gather *gather; /* the parent's */
};

static unsigned leaf_order(unsigned level)
{
	return 9 * (level - 1);
}

/*
 * Whether the page has references besides that of the one entry that maps it. A
 * small page of a block cannot tell, for the block's other pages are counted in the
 * same place: it is taken to be pinned. So is one to which a gup_fast() that
 * will fail has a reference: a copy too many.
 */
static bool may_be_pinned(paddr_t page, unsigned level)
{
	return page_of(page_block(page))->order != leaf_order(level) || page_refs(page) > 1;
}

static void map_in_child(struct fork *f, pte_t *to, pte_t e, unsigned level)
{
	f->child->mapped += level_bytes(level) / PAGE_SIZE;
	pte_write(to, e & ~(PTE_ACCESSED | PTE_DIRTY));
}

/* The parent may write meanwhile: the child gets what each word is at some moment of the call. */
static bool copy_page(struct fork *f, pte_t *to, pte_t e, unsigned level)
{
	paddr_t copy = page_alloc_order(leaf_order(level));

	if (copy == PADDR_NONE)
		return false;
	memcpy(phys_to_virt(copy), phys_to_virt(pte_addr(e)), level_bytes(level));
	map_in_child(f, to, (e & ~PTE_ADDR) | copy, level);
	return true;
}

static void share_page(struct fork *f, pte_t *to, pte_t e, unsigned level)
{
	page_get(pte_addr(e));
	map_in_child(f, to, e & ~OWNER_BITS, level);
}

static bool fork_leaf(struct fork *f, pte_t *from, u64 va, unsigned level)
{
	pte_t *to = mm_slot_alloc(f->child, va, level);
	pte_t e;

	if (!to)
		return false;
	if (pte_read(to) & PTE_PRESENT)
		return true; /* a large page whose VMA was cut in two, met again */
	e = mem_fetch_and(from, ~OWNER_BITS);
	if (e & PTE_EXCLUSIVE && may_be_pinned(pte_addr(e), level)) {
		mem_fetch_or(from, e & OWNER_BITS);
		return copy_page(f, to, e, level);
	}
	if (e & PTE_WRITE)
		gather_range(f->gather, va, va + level_bytes(level));
	share_page(f, to, e, level);
	return true;
}

static bool fork_level(struct fork *f, paddr_t table, unsigned level, u64 start, u64 end)
{
	u64 bytes = level_bytes(level), next;

	for (u64 va = start; va < end; va = next) {
		pte_t *slot = table_slot(table, va, level);
		pte_t e = pte_read(slot);
		bool ok = true;

		next = MIN(ALIGN_DOWN(va, bytes) + bytes, end);
		if (!(e & PTE_PRESENT))
			continue;
		if (pte_is_leaf(e, level))
			ok = fork_leaf(f, slot, va, level);
		else
			ok = fork_level(f, pte_addr(e), level - 1, va, next);
		if (!ok)
			return false;
	}
	return true;
}

static bool fork_vmas(struct fork *f)
{
	const struct mm *parent = gather_mm(f->gather);

	for (const struct vma *v = parent->vmas; v; v = v->next) {
		if (!vma_insert(f->child, v->start, v->end, v->prot, v->huge) ||
		    !fork_level(f, parent->root, ROOT_LEVEL, v->start, v->end))
			return false;
	}
	return true;
}

static struct mm *try_fork(struct mm *mm)
{
	struct fork f = { .child = mm_create() };
	bool ok;

	if (!f.child)
		return NULL;
	mm_lock(mm);
	mm_lock(f.child); /* nobody else has it: no order of locks to keep */
	f.gather = gather_begin(mm);
	ok = fork_vmas(&f);
	debt_settle(gather_end(f.gather));
	mm_unlock(f.child);
	mm_unlock(mm);
	if (ok)
		return f.child;
	mm_put(f.child);
	return NULL;
}

struct mm *mm_fork(struct mm *mm)
{
	bool last = false;
	struct mm *child;

	do
		child = try_fork(mm);
	while (!child && exit_try_again(&last));
	return child;
}
