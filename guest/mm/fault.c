/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/memory.h"
#include "guest/lib/errno.h"
#include "guest/lib/string.h"
#include "guest/mm/exit.h"
#include "guest/mm/fault.h"
#include "guest/mm/huge.h"
#include "guest/mm/page.h"
#include "guest/mm/table.h"
#include "guest/mm/vma.h"

static bool vma_allows(const struct vma *v, unsigned access)
{
	static const unsigned needs[] = {
		[ACCESS_READ] = PROT_READ | PROT_WRITE | PROT_EXEC,
		[ACCESS_PIN] = PROT_READ | PROT_WRITE | PROT_EXEC,
		[ACCESS_WRITE] = PROT_WRITE,
		[ACCESS_EXEC] = PROT_EXEC,
	};

	return v->prot & needs[access];
}

/* The leaf that maps `va` and its level; NULL if nothing does. */
static pte_t *find_leaf(const struct mm *mm, u64 va, unsigned *level)
{
	for (*level = LARGE_LEVEL; *level; --*level) {
		pte_t *slot = pt_slot(mm->root, va, *level);

		if (!slot || !(pte_read(slot) & PTE_PRESENT))
			return NULL;
		if (pte_is_leaf(pte_read(slot), *level))
			return slot;
	}
	return NULL;
}

static bool reach_in_vma(const struct vma *v, u64 va)
{
	u64 base = ALIGN_DOWN(va, LARGE_PAGE_SIZE);

	return base >= v->start && base + LARGE_PAGE_SIZE <= v->end;
}

/* A large page of zeroes where the VMA wants one and nothing is in its place. */
static bool map_large(struct mm *mm, const struct vma *v, u64 va)
{
	pte_t *slot;
	paddr_t block;

	if (!v->huge || !reach_in_vma(v, va))
		return false;
	slot = mm_slot_alloc(mm, va, LARGE_LEVEL);
	if (!slot || pte_read(slot) & PTE_PRESENT)
		return false;
	block = page_alloc_order(HUGE_ORDER);
	if (block == PADDR_NONE)
		return false;
	memset(phys_to_virt(block), 0, LARGE_PAGE_SIZE);
	mm->mapped += PT_ENTRIES;
	pte_write(slot, block | vma_flags(v->prot) | PTE_EXCLUSIVE | PTE_LARGE | PTE_PRESENT);
	return true;
}

static int map_zeroes(struct mm *mm, const struct vma *v, u64 va)
{
	pte_t *slot;
	paddr_t page;

	if (map_large(mm, v, va))
		return 0;
	slot = mm_slot_alloc(mm, va, 1);
	page = slot ? page_alloc_zeroed() : PADDR_NONE;
	if (page == PADDR_NONE)
		return -ENOMEM;
	mm->mapped++;
	pte_write(slot,
		  page | vma_flags(v->prot) | PTE_EXCLUSIVE | PTE_PRESENT); /* after the zeroes */
	return 0;
}

/*
 * Sharers never write to it, and its mapping here is read-only on every CPU (fork
 * has flushed), so the copy is whole. The copy is mapped when every CPU has forgotten the old
 * page: one that still read that would miss what another writes to the copy.
 */
static int copy_page(struct mmu_gather *g, const struct vma *v, pte_t *slot, u64 va, pte_t *later)
{
	paddr_t copy = page_alloc();

	if (copy == PADDR_NONE)
		return -ENOMEM;
	memcpy(phys_to_virt(copy), phys_to_virt(pte_addr(pte_read(slot))), PAGE_SIZE);
	*later = copy | vma_flags(v->prot) | PTE_EXCLUSIVE | PTE_PRESENT;
	gather_page(g, va, pte_exchange(slot, 0), 1);
	gather_mm(g)->mapped++;
	return 0;
}

/*
 * Whether another mm may map what this leaf maps. PTE_EXCLUSIVE says no, whoever has
 * pinned the page besides: fork takes the bit away. Without it the count tells: sharers only
 * ever drop references; a pin makes it look shared, and costs a copy.
 */
static bool is_shared(pte_t e)
{
	return !(e & PTE_EXCLUSIVE) && page_refs(pte_addr(e)) > 1;
}

/* The bits that a leaf of that VMA has when no other mm maps its page. */
static u64 owner_bits(const struct vma *v)
{
	return PTE_EXCLUSIVE | (vma_flags(v->prot) & PTE_WRITE);
}

/* Whether that access needs a page of the mm's own and this leaf does not say that it maps one. */
static bool must_break(pte_t e, unsigned access)
{
	return (access == ACCESS_WRITE && !(e & PTE_WRITE)) ||
	       (access == ACCESS_PIN && !(e & PTE_EXCLUSIVE));
}

/* Makes the leaf's page the mm's own. *later: the entry for after the flush. */
static int break_sharing(struct mmu_gather *g, const struct vma *v, u64 va, pte_t *later)
{
	struct mm *mm = gather_mm(g);
	unsigned level;
	pte_t *slot = find_leaf(mm, va, &level);

	/* Looked at once: else a pin in between has a large page copied as a small one. */
	if (!is_shared(pte_read(slot))) {
		mem_fetch_or(slot, owner_bits(v));
		return 0;
	}
	if (level == LARGE_LEVEL) {
		int r = huge_split(g, va);

		if (r)
			return r;
		slot = find_leaf(mm, va, &level);
	}
	return copy_page(g, v, slot, ALIGN_DOWN(va, PAGE_SIZE), later);
}

static int make_accessible(struct mm *mm, const struct vma *v, u64 va, unsigned access)
{
	unsigned level;
	const pte_t *slot = find_leaf(mm, va, &level);

	if (!slot) {
		int r = map_zeroes(mm, v, va);

		if (r)
			return r;
	} else if (must_break(pte_read(slot), access)) {
		struct mmu_gather *g = gather_begin(mm);
		pte_t later = 0;
		int r = break_sharing(g, v, va, &later);

		debt_settle(gather_end(g));
		if (later)
			pte_write(pt_slot(mm->root, va, 1), later);
		return r;
	}
	return 0;
}

int fault_locked(struct mm *mm, u64 va, unsigned access, paddr_t *page)
{
	const struct vma *v = vma_find(mm, va);
	unsigned level;
	int r;

	if (!v || !vma_allows(v, access))
		return -EFAULT;
	r = make_accessible(mm, v, va, access);
	if (r)
		return r;
	const pte_t *slot = find_leaf(mm, va, &level);

	*page = pte_addr(pte_read(slot)) + ALIGN_DOWN(va % level_bytes(level), PAGE_SIZE);
	return 0;
}

int mm_fault(struct mm *mm, u64 va, unsigned access)
{
	bool last = false;
	paddr_t page;
	int r;

	do {
		mm_lock(mm);
		r = fault_locked(mm, va, access, &page);
		mm_unlock(mm);
	} while (r == -ENOMEM && exit_try_again(&last));
	return r;
}
