/* SPDX-License-Identifier: BSD-2-Clause */
/* What any thread of a process does in any of its areas, while the keeper changes it. */
#include "guest/cpu/timer.h"
#include "guest/cpu/trap.h"
#include "guest/lib/errno.h"
#include "guest/mm/fault.h"
#include "guest/mm/fork.h"
#include "guest/mm/gup.h"
#include "guest/mm/huge.h"
#include "guest/mm/map.h"
#include "guest/mm/page.h"
#include "guest/mm/switch.h"
#include "guest/mm/walk.h"
#include "guest/sched/thread.h"
#include "guest/stress/worker.h"

#define RUN	       4u /* pages pinned at once, at most */
#define CHILD_YIELDS   4u
#define WATCH_MS       200u /* a flush by IPI may wait for every vCPU in turn */
#define WATCH_REFUSALS 8u
#define WATCH_TURN     512u /* polls */

/* A page of an area, and what was known of it before it was touched. */
struct place {
	struct area *a;
	u32 area, page;
	u64 where;
	u32 floor;
	u64 va; /* 0: not mapped, or being changed */
};

/* Looks again where the area is. */
static void refresh(struct place *p)
{
	p->where = mem_load(&p->a->where);
	p->floor = mem_load(&p->a->floor[p->page]);
	p->va = 0;
	if (p->where & WHERE_HOME && !(p->where & WHERE_BUSY))
		p->va = area_va(p->area, p->where & WHERE_HOME, p->page);
}

static struct place random_place(struct worker *w)
{
	struct place p = {
		.area = random_below(&w->random, w->process->areas),
		.page = random_below(&w->random, AREA_PAGES),
	};

	p.a = &w->process->area[p.area];
	refresh(&p);
	return p;
}

static bool unchanged(const struct place *p)
{
	return mem_load(&p->a->where) == p->where;
}

static void check(const struct worker *w, const struct place *p, u64 v)
{
	stamp_check(v, p->va, w->process->owner, area_page(p->area, p->page), p->floor);
}

/* A mapping that was there all the time can be used, but for want of memory. */
static void check_refusal(const struct place *p, s64 r)
{
	if (r == -EFAULT && unchanged(p))
		finding(FOUND_LOST, p->va, 0, (u64)r);
}

static bool look_by_address(struct worker *w, const struct place *p)
{
	u64 v;
	int r = user_read(w->process->mm, p->va + 8ul * WORD_STAMP, &v);

	if (r)
		check_refusal(p, r);
	else
		check(w, p, v);
	return !r;
}

static bool look_by_pin(struct worker *w, const struct place *p)
{
	paddr_t pa;
	s64 r = gup_fast(w->process->mm, p->va, 1, 0, &pa);

	if (r != 1) {
		check_refusal(p, r);
		return false;
	}
	check(w, p, mem_load(&page_words(pa)[WORD_STAMP]));
	gup_unpin(&pa, 1);
	return true;
}

bool anybody_look(struct worker *w)
{
	struct place p = random_place(w);

	if (!p.va)
		return false;
	return random_below(&w->random, 2) ? look_by_pin(w, &p) : look_by_address(w, &p);
}

/* Several pages at once; each gets the stamp of its generation after it was pinned. */
bool anybody_mark(struct worker *w)
{
	struct place p = random_place(w);
	paddr_t pa[RUN];
	s64 r;

	if (!p.va)
		return false;
	r = gup_fast(w->process->mm, p.va, MIN(RUN, AREA_PAGES - p.page), GUP_WRITE, pa);
	for (s64 i = 0; i < r; i++, p.page++, p.va += PAGE_SIZE) {
		u32 generation = mem_load(&p.a->generation[p.page]);

		p.floor = 0; /* of the first page only */
		check(w, &p, mem_load(&page_words(pa[i])[WORD_STAMP]));
		mem_store(&page_words(pa[i])[WORD_STAMP],
			  stamp(w->process->owner, area_page(p.area, p.page), generation));
	}
	if (r > 0)
		gup_unpin(pa, (u32)r);
	return r > 0;
}

enum watched { WATCH_NOTHING, WATCH_POSSIBLE, WATCH_REFUSED };

/* One access to the watched page. WATCH_NOTHING: `where` has changed meanwhile. */
static enum watched watch_once(struct worker *w, const struct place *p, u64 va, bool write)
{
	bool allowed = p->va == va && !(write && p->where & WHERE_READONLY), done;
	u64 v = 0;

	if (write)
		done = !try_write64((void *)(va + 8ul * WORD_SCRATCH), ++w->serial);
	else
		done = !try_read64((const void *)(va + 8ul * WORD_SCRATCH), &v);
	if (!unchanged(p))
		return WATCH_NOTHING;
	if (allowed && !done)
		check_refusal(p, mm_fault(w->process->mm, va, write ? ACCESS_WRITE : ACCESS_READ));
	if (!allowed && done)
		finding(p->va == va ? FOUND_TRESPASS : FOUND_GHOST, va, p->where, v);
	return allowed ? WATCH_POSSIBLE : WATCH_REFUSED;
}

/*
 * Accesses one address again and again until the keeper has changed what is there: so this
 * CPU has a translation that must be gone then. True: it was possible, then it was not.
 * Meanwhile it does for others what it waits for, or all might wait for each other.
 */
static bool watch(struct worker *w, bool write)
{
	struct place p = random_place(w);
	u64 va = p.va, end = rdtsc() + tsc_from_ms(WATCH_MS);
	u32 polls = 0, seen[] = { [WATCH_REFUSED] = 0 };

	if (!va || p.area == w->area)
		return false;
	mem_add(&p.a->watchers, 1);
	while (rdtsc() < end && seen[WATCH_REFUSED] < WATCH_REFUSALS) {
		refresh(&p);
		if (!(p.where & WHERE_BUSY))
			seen[watch_once(w, &p, va, write)]++;
		cpu_poll(&polls);
		if (polls % WATCH_TURN == 0) {
			worker_oblige(w);
			thread_yield();
		}
	}
	mem_add(&p.a->watchers, -1u);
	return seen[WATCH_POSSIBLE] && seen[WATCH_REFUSED];
}

/* Where nothing is mapped any more nothing must be read ... */
bool anybody_ghost(struct worker *w)
{
	return watch(w, false);
}

/* ... nor written, nor what is read-only. */
bool anybody_trespass(struct worker *w)
{
	return watch(w, true);
}

bool anybody_collapse(struct worker *w)
{
	struct place p = random_place(w);

	return p.va && !mm_collapse(w->process->mm, area_va(p.area, p.where & WHERE_HOME, 0));
}

/* Entries of either process: of this one or of the other, whose opener is our user there. */
bool anybody_walk(struct worker *w)
{
	struct place p = random_place(w);
	struct process *of = random_below(&w->random, 2) ? w->process : w->other;
	u64 va = area_va(p.area, 1, p.page);
	pte_t e[ROOT_LEVEL];
	unsigned n = walk_entries(of->mm, va, e);

	for (unsigned i = 0; i < n; i++) {
		if (e[i] & PTE_PRESENT && pte_addr(e[i]) >> PAGE_SHIFT >= page_array.count)
			finding(FOUND_GARBAGE, va, 0, e[i]);
	}
	return true;
}

#define SEEN 2u /* words of a page: the keeper's, and the one that is written all the time */

/* Of all pages of the area, as far as they are there: those that are not are zero. */
static void read_area(const struct place *p, u64 word[AREA_PAGES * SEEN])
{
	u64 va = area_va(p->area, p->where & WHERE_HOME, 0) + 8ul * WORD_KEEPER;

	for (u32 i = 0; i < AREA_PAGES * SEEN; i++) {
		if (try_read64((const void *)(va + i / SEEN * PAGE_SIZE + 8ul * (i % SEEN)),
			       &word[i]))
			word[i] = 0;
	}
}

/* In the child: its pages are the parent's at the fork, whatever the parent does meanwhile. */
static void live_as_child(struct worker *w, struct mm *child, const struct place *p)
{
	u64 own = stamp(w->process->owner | STAMP_CHILD, area_page(p->area, p->page), ++w->serial);
	u64 before[AREA_PAGES * SEEN], after[AREA_PAGES * SEEN], v;
	bool written;

	if (user_read(child, p->va, &v))
		return;
	check(w, p, v);
	read_area(p, before);
	written = !user_write(child, p->va, own);
	for (u32 i = 0; i < CHILD_YIELDS; i++)
		thread_yield();
	read_area(p, after);
	for (u32 i = 0; i < AREA_PAGES * SEEN; i++) {
		if (after[i] != before[i])
			finding(FOUND_LOST, area_va(p->area, p->where & WHERE_HOME, i / SEEN),
				before[i], after[i]);
	}
	if (written && (user_read(child, p->va, &v) || v != own))
		finding(FOUND_LOST, p->va, own, v);
}

bool anybody_fork(struct worker *w)
{
	struct place p = random_place(w);
	struct mm *child = p.va ? mm_fork(w->process->mm) : NULL;
	bool whole = unchanged(&p); /* so the area was there all through the fork */

	if (!child)
		return false;
	mem_add(&w->process->forks, 1);
	mm_use(child);
	if (whole)
		live_as_child(w, child, &p);
	mm_put(child);
	mm_use(w->process->mm);
	return whole;
}
