/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/memory.h"
#include "guest/lib/errno.h"
#include "guest/mm/huge.h"
#include "guest/mm/table.h"
#include "guest/mm/vma.h"
#include "guest/mm/zap.h"

static int split_at(struct mmu_gather *g, u64 va)
{
	return va % LARGE_PAGE_SIZE ? huge_split(g, va) : 0;
}

int zap_split_edges(struct mmu_gather *g, u64 start, u64 end)
{
	int r = split_at(g, start);

	return r ? r : split_at(g, end);
}

/* What is done with each leaf in a range. */
struct leaf_walk {
	struct mmu_gather *gather;
	struct mm *mm;
	void (*leaf)(struct leaf_walk *w, pte_t *slot, u64 va, unsigned level);
	bool unlink;	/* tables whose reach has no VMA go whole */
	u64 prot_flags; /* protect_leaf() */
	u64 delta;	/* move_leaf(): from the old address to the new one */
	bool failed;
};

static bool reach_is_free(const struct mm *mm, u64 base, u64 bytes)
{
	const struct vma *v = vma_first(mm, base);

	return !v || v->start >= base + bytes;
}

/* Edges that cut a large page have been split: every leaf met lies in the range whole. */
static void walk_level(struct leaf_walk *w, paddr_t table, unsigned level, u64 start, u64 end)
{
	u64 bytes = level_bytes(level), next;

	for (u64 va = start; va < end; va = next) {
		u64 base = ALIGN_DOWN(va, bytes);
		pte_t *slot = table_slot(table, va, level);
		pte_t e = pte_read(slot);

		next = MIN(base + bytes, end);
		if (!(e & PTE_PRESENT))
			continue;
		if (pte_is_leaf(e, level)) {
			w->leaf(w, slot, va, level);
		} else if (w->unlink && reach_is_free(w->mm, base, bytes)) {
			pte_exchange(slot, 0);
			gather_table(w->gather, base, pte_addr(e), level - 1);
		} else {
			walk_level(w, pte_addr(e), level - 1, va, next);
		}
	}
}

static void walk_leaves(struct leaf_walk *w, u64 start, u64 end)
{
	w->mm = gather_mm(w->gather);
	walk_level(w, w->mm->root, ROOT_LEVEL, start, end);
}

static void zap_leaf(struct leaf_walk *w, pte_t *slot, u64 va, unsigned level)
{
	gather_page(w->gather, va, pte_exchange(slot, 0), level);
}

void zap_range(struct mmu_gather *g, u64 start, u64 end)
{
	struct leaf_walk w = { .gather = g, .leaf = zap_leaf, .unlink = true };

	walk_leaves(&w, start, end);
}

/* The hardware may set accessed and dirty bits meanwhile. */
static void protect_leaf(struct leaf_walk *w, pte_t *slot, u64 va, unsigned level)
{
	const u64 changing = PTE_USER | PTE_WRITE | PTE_NX;
	pte_t old = pte_read(slot), new;

	do {
		new = (old & ~changing) | (w->prot_flags & ~PTE_WRITE) |
		      (old & w->prot_flags & PTE_WRITE);
	} while (!mem_cas(slot, &old, new));
	if (old & ~new &(PTE_USER | PTE_WRITE) || new & ~old & PTE_NX)
		gather_range(w->gather, va, va + level_bytes(level));
}

void zap_protect(struct mmu_gather *g, u64 start, u64 end, unsigned prot)
{
	struct leaf_walk w = { .gather = g, .leaf = protect_leaf, .prot_flags = vma_flags(prot) };

	walk_leaves(&w, start, end);
}

/* prepare_leaf() has made the tables. */
static void move_leaf(struct leaf_walk *w, pte_t *slot, u64 va, unsigned level)
{
	pte_t old = pte_exchange(slot, 0);

	pte_write(pt_slot(w->mm->root, va + w->delta, level), old);
	gather_range(w->gather, va, va + level_bytes(level));
}

static void prepare_leaf(struct leaf_walk *w, pte_t *slot, u64 va, unsigned level)
{
	(void)slot;
	if (!mm_slot_alloc(w->mm, va + w->delta, level))
		w->failed = true;
}

/* A leaf that would not be aligned at its new place becomes 512. */
static void split_leaf(struct leaf_walk *w, pte_t *slot, u64 va, unsigned level)
{
	(void)slot;
	if (level == LARGE_LEVEL && !w->failed && huge_split(w->gather, va))
		w->failed = true;
}

static void move_steps(struct leaf_walk *w, u64 from, u64 end)
{
	if (w->delta % LARGE_PAGE_SIZE) {
		w->leaf = split_leaf;
		walk_leaves(w, from, end);
	}
	if (!w->failed) {
		w->leaf = prepare_leaf;
		walk_leaves(w, from, end);
	}
	if (!w->failed) {
		w->leaf = move_leaf;
		walk_leaves(w, from, end);
	}
}

int zap_move(struct mmu_gather *g, u64 from, u64 to, u64 bytes)
{
	struct leaf_walk w = { .gather = g, .delta = to - from };

	move_steps(&w, from, from + bytes);
	return w.failed ? -ENOMEM : 0;
}
