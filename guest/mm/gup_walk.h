/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk of gup_fast(), which its forms share (gup.h, walk.h). They differ in what
 * keeps a table from being reused under the reader, and so in what a reader must
 * check besides R1:
 *
 *   GUP_V   tables are reused at once: an entry means something only if the
 *           sequence is the old one after its load
 *   GUP_R2  an unlinked table keeps its entries, so R1 passes in it although the
 *           page was freed: the sequence must be the old one with the reference held
 *
 * In line everywhere, with constant checks: those that a form does not need cost nothing.
 */
#ifndef GUEST_MM_GUP_WALK_H
#define GUEST_MM_GUP_WALK_H

#include "guest/cpu/memory.h"
#include "guest/mm/gup.h"
#include "guest/mm/page.h"
#include "guest/mm/table.h"

#define GUP_V  (1u << 0)
#define GUP_R2 (1u << 1)

#define GUP_INLINE static inline __attribute__((always_inline))

struct gup_walk {
	const struct mm *mm;
	u64 seq;    /* before the walk */
	pte_t need; /* bits of the leaf entry */
	unsigned checks;
};

GUP_INLINE bool gup_unlinked(const struct gup_walk *w, unsigned check)
{
	return w->checks & check && mem_load(&w->mm->pt_seq) != w->seq;
}

/* Loads an entry. True: it is genuine and has those bits. */
GUP_INLINE bool gup_load(const struct gup_walk *w, const pte_t *slot, pte_t bits, pte_t *e)
{
	*e = pte_read(slot);
	return !gup_unlinked(w, GUP_V) && (*e & bits) == bits;
}

/* References `page`, which the entry `e` maps. False: not that way, and no reference. */
GUP_INLINE bool gup_take(const struct gup_walk *w, const pte_t *slot, pte_t e, paddr_t page)
{
	if (!page_try_get(page))
		return false;
	/* R1, then R2: what R1 has read says something of this page only in a linked table. */
	if (!((pte_read(slot) ^ e) & ~(PTE_ACCESSED | PTE_DIRTY)) && !gup_unlinked(w, GUP_R2))
		return true;
	page_put(page);
	return false;
}

/*
 * The pages of [va, ...), up to `end`, from one large page's entry. Returns where it
 * stopped. The one part that is out of line, and looks its checks up.
 */
paddr_t *gup_large(struct gup_walk w, const pte_t *slot, u64 va, paddr_t *pages, paddr_t *end);

/* The same from consecutive entries of small pages. */
GUP_INLINE paddr_t *gup_small(const struct gup_walk *w, const pte_t *slot, paddr_t *pages,
			      paddr_t *end)
{
	pte_t e;

	for (; pages < end && gup_load(w, slot, w->need, &e); slot++) {
		paddr_t page = pte_addr(e);

		if (!gup_take(w, slot, e, page))
			break;
		*pages++ = page;
	}
	return pages;
}

/* The same from whatever serves `va`; `end` lies within the reach of one entry of level 2. */
GUP_INLINE paddr_t *gup_reach(const struct gup_walk *w, u64 va, paddr_t *pages, paddr_t *end)
{
	const pte_t *slot;
	pte_t e;

	if (!gup_load(w, table_slot(w->mm->root, va, 4), PTE_PRESENT, &e) ||
	    !gup_load(w, table_slot(pte_addr(e), va, 3), PTE_PRESENT, &e))
		return pages;
	slot = table_slot(pte_addr(e), va, LARGE_LEVEL);
	if (!gup_load(w, slot, PTE_PRESENT, &e))
		return pages;
	if (e & PTE_LARGE)
		return gup_large(*w, slot, va, pages, end);
	return gup_small(w, table_slot(pte_addr(e), va, 1), pages, end);
}

/* gup_fast_only() with those checks; what else it takes for granted is the caller's. */
GUP_INLINE u32 gup_walk(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages,
			unsigned checks)
{
	const struct gup_walk w = {
		.mm = mm,
		.seq = checks ? mem_load(&mm->pt_seq) : 0,
		.need = PTE_PRESENT | PTE_USER | PTE_EXCLUSIVE |
			(flags & GUP_WRITE ? PTE_WRITE : 0),
		.checks = checks,
	};
	paddr_t *at = pages, *end = pages + count, *stop;

	do {
		u64 left = LARGE_PAGE_SIZE - start % LARGE_PAGE_SIZE;

		stop = at + MIN((u64)(end - at), left / PAGE_SIZE);
		at = gup_reach(&w, start, at, stop);
		start += left;
	} while (at == stop && at < end);
	return (u32)(at - pages);
}

#endif
