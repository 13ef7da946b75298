/* SPDX-License-Identifier: BSD-2-Clause */
/* What any thread of a process does in any of its areas, while the keeper changes it. */
#include "guest/cpu/trap.h"
#include "guest/lib/errno.h"
#include "guest/mm/fork.h"
#include "guest/mm/gup.h"
#include "guest/mm/huge.h"
#include "guest/mm/map.h"
#include "guest/mm/page.h"
#include "guest/mm/switch.h"
#include "guest/mm/walk.h"
#include "guest/sched/thread.h"
#include "guest/stress/worker.h"

#define RUN 4u /* pages pinned at once, at most */

/* A page of an area, and what was known of it before it was touched. */
struct place {
	struct area *a;
	u32 area, page;
	u64 where;
	u32 floor;
	u64 va; /* 0: not mapped, or being changed */
};

static struct place random_place(struct worker *w)
{
	struct place p = {
		.area = random_below(&w->random, w->process->areas),
		.page = random_below(&w->random, AREA_PAGES),
	};

	p.a = &w->process->area[p.area];
	p.where = mem_load(&p.a->where);
	p.floor = mem_load(&p.a->floor[p.page]);
	if (p.where & WHERE_HOME && !(p.where & WHERE_BUSY))
		p.va = area_va(p.area, p.where & WHERE_HOME, p.page);
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
	int r = user_read(w->process->mm, p->va + WORD_STAMP * 8, &v);

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

/* Where nothing is mapped nothing must be read. */
bool anybody_ghost(struct worker *w)
{
	struct place p = random_place(w);
	u64 home = 1 + random_below(&w->random, 2), va = area_va(p.area, home, p.page), v;
	bool found;

	if (p.where & WHERE_BUSY || (p.where & WHERE_HOME) == home)
		return false;
	found = !try_read64((const void *)va, &v);
	if (!unchanged(&p))
		return false;
	if (found)
		finding(FOUND_GHOST, va, 0, v);
	return true;
}

bool anybody_trespass(struct worker *w)
{
	struct place p = random_place(w);
	bool written;

	if (!p.va || !(p.where & WHERE_READONLY))
		return false;
	written = !try_write64((void *)(p.va + WORD_SCRATCH * 8), 0);
	if (!unchanged(&p))
		return false;
	if (written)
		finding(FOUND_TRESPASS, p.va, 0, p.where);
	return true;
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

/* In the child: its pages are the parent's at the fork, whatever the parent does meanwhile. */
static void live_as_child(struct worker *w, struct mm *child, const struct place *p)
{
	u64 before, after,
		own = stamp(w->process->owner | STAMP_CHILD, area_page(p->area, p->page),
			    ++w->serial);
	u64 keeper = p->va + WORD_KEEPER * 8;
	bool written;

	if (user_read(child, p->va, &before))
		return;
	check(w, p, before);
	if (user_read(child, keeper, &before))
		return;
	written = !user_write(child, p->va, own);
	thread_yield();
	if (user_read(child, keeper, &after) || after != before)
		finding(FOUND_LOST, keeper, before, after);
	if (written && (user_read(child, p->va, &after) || after != own))
		finding(FOUND_LOST, p->va, own, after);
}

bool anybody_fork(struct worker *w)
{
	struct place p = random_place(w);
	struct mm *child = p.va ? mm_fork(w->process->mm) : NULL;
	bool whole = unchanged(&p); /* so the area was there all through the fork */

	if (!child)
		return false;
	mm_use(child);
	if (whole)
		live_as_child(w, child, &p);
	mm_put(child);
	mm_use(w->process->mm);
	return whole;
}
