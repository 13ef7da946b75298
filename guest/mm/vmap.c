/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/mm/vmap.h"

#include "guest/cpu/tlb.h"
#include "guest/flush/flush.h"
#include "guest/lib/print.h"
#include "guest/mm/flush_clock.h"
#include "guest/mm/page.h"
#include "guest/mm/pgtable.h"
#include "guest/mm/table.h"
#include "guest/sched/spinlock.h"

#define IN_USE UINT64_MAX /* in place of a stamp: no horizon is beyond it */

enum vmap_room {
	ROOM_FOUND,
	ROOM_AFTER_FLUSH,
	ROOM_NONE,
};

/* Non-global entries: without PCIDs every reload of CR3 is a flush of them. */
static struct {
	struct spinlock lock; /* of all below; taken with interrupts off */
	u32 pages, next;      /* the search begins at `next`: those before it were freed last */
	u64 *stamp;	      /* of each page, when it was unmapped; 0: never used */
	u64 newest;	      /* stamp */
	u64 horizon;	      /* as last seen; it never goes back */
	u32 unseen;	      /* pages unmapped since the last look at the host's counts */
	struct vmap_counters counters;
} arena;

static u64 page_va(u32 page)
{
	return VMAP_BASE + page * PAGE_SIZE;
}

static pte_t *page_entry(u32 page)
{
	return pt_slot(pt_kernel_root(), page_va(page), 1);
}

void vmap_init(u32 pages)
{
	u64 tables = 0;

	ASSERT(!arena.pages && pages);
	arena.stamp = kzalloc(pages * sizeof(*arena.stamp));
	for (u32 i = 0; i < pages; i++) {
		if (!pt_slot_alloc(pt_kernel_root(), page_va(i), 1, PTE_WRITE, &tables))
			panic("vmap: no memory for the tables of %u pages", pages);
	}
	arena.pages = pages;
	arena.horizon =
		1; /* beyond the stamp of what was never used; the first real one is later */
}

/* The first `count` consecutive pages, from page `from` on, with stamps below `limit`. */
static bool find_from(u32 from, u32 count, u64 limit, u32 *first)
{
	u32 run = 0;

	for (u32 i = from; i < arena.pages; i++) {
		run = arena.stamp[i] < limit ? run + 1 : 0;
		if (run == count) {
			*first = i + 1 - count;
			return true;
		}
	}
	return false;
}

static bool find(u32 count, u64 limit, u32 *first)
{
	return find_from(arena.next, count, limit, first) || find_from(0, count, limit, first);
}

/*
 * Now and then while addresses pile up, and before a flush: those that were there at one look
 * are served if by another one the host has flushed every CPU.
 */
static void look(void)
{
	arena.unseen = 0;
	flush_clock_look();
}

static bool find_flushed(u32 count, u32 *first)
{
	u64 horizon;

	if (find(count, arena.horizon, first))
		return true;
	look();
	horizon = flush_clock_horizon();
	arena.horizon = MAX(arena.horizon, horizon);
	return find(count, arena.horizon, first);
}

static enum vmap_room reserve(u32 count, u32 *first)
{
	bool was = spin_lock_irq(&arena.lock);
	enum vmap_room room = ROOM_FOUND;

	if (find_flushed(count, first)) {
		for (u32 i = 0; i < count; i++)
			arena.stamp[*first + i] = IN_USE;
		arena.next = *first + count;
	} else {
		room = find(count, IN_USE, first) ? ROOM_AFTER_FLUSH : ROOM_NONE;
	}
	spin_unlock_irq(&arena.lock, was);
	return room;
}

void *vmap(const paddr_t *pages, u32 count)
{
	enum vmap_room room;
	bool here = false;
	u32 first;

	ASSERT(count);
	while ((room = reserve(count, &first)) == ROOM_AFTER_FLUSH) {
		if (here)
			vmap_flush();
		else
			tlb_flush_user(); /* the others may have been flushed, and seen by look() */
		here = true;
	}
	if (room == ROOM_NONE)
		return NULL;
	for (u32 i = 0; i < count; i++)
		pte_write(page_entry(first + i), pages[i] | PTE_PRESENT | PTE_WRITE | PTE_NX);
	return (void *)page_va(first);
}

/* The clears are locked, and before the stamp: flush_clock.h. */
void vunmap(void *va, u32 count)
{
	u32 first = (u32)(((u64)va - VMAP_BASE) / PAGE_SIZE);
	bool was;

	ASSERT((u64)va >= VMAP_BASE && first < arena.pages && count <= arena.pages - first);
	for (u32 i = 0; i < count; i++) {
		if (!(pte_exchange(page_entry(first + i), 0) & PTE_PRESENT))
			panic("vmap: page %u of the area at %p is not mapped", i, va);
	}
	was = spin_lock_irq(&arena.lock);
	arena.newest = flush_clock_stamp();
	for (u32 i = 0; i < count; i++)
		arena.stamp[first + i] = arena.newest;
	arena.counters.frees++;
	arena.unseen += count;
	if (arena.unseen >= arena.pages / 4)
		look();
	spin_unlock_irq(&arena.lock, was);
}

/* Whoever has not flushed since the newest unmapping: then every address that waits is served. */
void vmap_flush(void)
{
	struct flush_request req = { .nr_ranges = 0 };
	bool was = spin_lock_irq(&arena.lock), needed;

	flush_clock_stale(arena.newest, &req.targets);
	needed = !cpumask_empty(&req.targets);
	arena.counters.flushes += needed;
	spin_unlock_irq(&arena.lock, was);
	if (needed)
		flush_tlb(&req);
}

void vmap_counters(struct vmap_counters *out)
{
	bool was = spin_lock_irq(&arena.lock);

	*out = arena.counters;
	spin_unlock_irq(&arena.lock, was);
}
