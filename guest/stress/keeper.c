/* SPDX-License-Identifier: BSD-2-Clause */
/* What the keeper of an area does: it knows exactly what must be there. */
#include "guest/cpu/timer.h"
#include "guest/cpu/trap.h"
#include "guest/lib/errno.h"
#include "guest/mm/gup.h"
#include "guest/mm/held.h"
#include "guest/mm/map.h"
#include "guest/sched/thread.h"
#include "guest/stress/worker.h"

#define LINGER_MS   20u
#define LINGER_TURN 512u /* polls */

static struct area *mine(const struct worker *w)
{
	return &w->process->area[w->area];
}

static u64 home_of(const struct area *a)
{
	return a->where & WHERE_HOME;
}

static void begin_change(struct area *a)
{
	mem_store(&a->where, a->where | WHERE_BUSY);
}

static void end_change(struct area *a, u64 home, u64 flags)
{
	u64 count = (a->where & -WHERE_COUNT) + WHERE_COUNT;

	mem_store(&a->where, count | home | flags);
}

static void begin_generation(struct area *a, u32 first, u32 count)
{
	for (u32 i = first; i < first + count; i++)
		mem_store(&a->generation[i], a->generation[i] + 1);
}

/* The old pages are out of everybody's reach. */
static void end_generation(struct area *a, u32 first, u32 count)
{
	for (u32 i = first; i < first + count; i++) {
		mem_store(&a->floor[i], a->generation[i]);
		a->exact[i] = 0;
	}
}

static unsigned random_map_flags(struct worker *w)
{
	return random_below(&w->random, 3) ? 0 : MAP_HUGE;
}

bool keeper_fill(struct worker *w)
{
	struct area *a = mine(w);
	u64 home = 1 + random_below(&w->random, 2);
	s64 r;

	if (home_of(a))
		return false;
	begin_change(a);
	r = mm_map(w->process->mm, area_va(w->area, home, 0), LARGE_PAGE_SIZE,
		   PROT_READ | PROT_WRITE, random_map_flags(w));
	end_change(a, r < 0 ? 0 : home, 0);
	return r >= 0;
}

/* A posted munmap has effect on other CPUs when it has been waited for. */
static void unmap_all(struct worker *w, struct area *a)
{
	u64 va = area_va(w->area, home_of(a), 0);

	begin_generation(a, 0, AREA_PAGES);
	if (mm_unmap(w->process->mm, va, LARGE_PAGE_SIZE))
		finding(FOUND_LOST, va, 0, 0);
	held_wait(w->process->mm, va, va + LARGE_PAGE_SIZE);
	end_generation(a, 0, AREA_PAGES);
}

bool keeper_empty(struct worker *w)
{
	struct area *a = mine(w);

	if (!home_of(a))
		return false;
	begin_change(a);
	unmap_all(w, a);
	end_change(a, 0, 0);
	return true;
}

struct range {
	u32 first, count;
	u64 va, bytes;
};

/* Some pages of the area, or all 512. */
static struct range random_range(struct worker *w, const struct area *a)
{
	struct range r = { .count = AREA_PAGES, .bytes = LARGE_PAGE_SIZE };

	if (random_below(&w->random, 3)) {
		r.first = random_below(&w->random, AREA_PAGES);
		r.count = 1 + random_below(&w->random, AREA_PAGES - r.first);
		r.bytes = r.count * PAGE_SIZE;
	}
	r.va = area_va(w->area, home_of(a), r.first);
	return r;
}

bool keeper_renew(struct worker *w)
{
	struct mm *mm = w->process->mm;
	struct area *a = mine(w);
	struct range r = random_range(w, a);
	u64 home = home_of(a);

	if (!home || a->where & WHERE_READONLY)
		return false;
	begin_change(a);
	begin_generation(a, r.first, r.count);
	if (mm_unmap(mm, r.va, r.bytes)) {
		end_change(a, home, 0);
		return false;
	}
	if (mm_map(mm, r.va, r.bytes, PROT_READ | PROT_WRITE, random_map_flags(w)) < 0) {
		unmap_all(w, a);
		home = 0;
	}
	end_generation(a, r.first, r.count); /* mm_map() has waited for a posted munmap */
	end_change(a, home, 0);
	return true;
}

/* The pages are new from within the call on: nobody need be kept out. */
bool keeper_drop(struct worker *w)
{
	struct area *a = mine(w);
	struct range r = random_range(w, a);

	if (!home_of(a))
		return false;
	begin_generation(a, r.first, r.count);
	if (mm_dontneed(w->process->mm, r.va, r.bytes))
		return false;
	end_generation(a, r.first, r.count);
	return true;
}

bool keeper_move(struct worker *w)
{
	struct area *a = mine(w);
	u64 home = home_of(a), flags = a->where & WHERE_READONLY, from, v;
	s64 r;

	if (!home)
		return false;
	from = area_va(w->area, home, 0);
	begin_change(a);
	r = mm_remap(w->process->mm, from, LARGE_PAGE_SIZE, area_va(w->area, 3 - home, 0));
	if (!r && !try_read64((const void *)from, &v))
		finding(FOUND_GHOST, from, 0, v);
	end_change(a, r ? home : 3 - home, flags);
	return !r;
}

bool keeper_protect(struct worker *w)
{
	struct area *a = mine(w);
	u64 home = home_of(a), flags = ~a->where & WHERE_READONLY;
	s64 r;

	if (!home)
		return false;
	begin_change(a);
	r = mm_protect(w->process->mm, area_va(w->area, home, 0), LARGE_PAGE_SIZE,
		       flags ? PROT_READ : PROT_READ | PROT_WRITE);
	if (r) { /* nobody knows how far it came */
		unmap_all(w, a);
		home = flags = 0;
	}
	end_change(a, home, flags);
	return !r;
}

static bool write_by_pin(struct worker *w, u64 va, u64 v)
{
	paddr_t pa;

	if (gup_fast(w->process->mm, va, 1, GUP_WRITE, &pa) != 1)
		return false;
	mem_store(&page_words(pa)[WORD_KEEPER], v);
	mem_store(&page_words(pa)[WORD_LAST], v);
	gup_unpin(&pa, 1);
	return true;
}

/*
 * Keeps the pin until somebody forks. Then a write by the address, which breaks the sharing if
 * there is any, must not part the page from the pin.
 */
static bool write_by_both(struct worker *w, u64 va, u64 v)
{
	u64 end = rdtsc() + tsc_from_ms(LINGER_MS);
	u32 forks = mem_load(&w->process->forks), polls = 0;
	paddr_t pa;
	bool ok;

	if (gup_fast(w->process->mm, va, 1, GUP_WRITE, &pa) != 1)
		return false;
	mem_add(&w->process->pinners, 1);
	while (rdtsc() < end && mem_load(&w->process->forks) == forks) {
		cpu_poll(&polls);
		if (polls % LINGER_TURN == 0)
			thread_yield();
	}
	mem_add(&w->process->pinners, -1u);
	ok = !user_write(w->process->mm, va + 8ul * WORD_LAST, v);
	mem_store(&page_words(pa)[WORD_KEEPER], v);
	gup_unpin(&pa, 1);
	return ok;
}

static bool write_by_address(struct worker *w, u64 va, u64 v)
{
	struct mm *mm = w->process->mm;

	return !user_write(mm, va + 8ul * WORD_KEEPER, v) &&
	       !user_write(mm, va + 8ul * WORD_LAST, v);
}

bool keeper_write(struct worker *w)
{
	static bool (*const ways[])(struct worker *, u64, u64) = {
		write_by_pin,
		write_by_address,
		write_by_both,
	};
	struct area *a = mine(w);
	u32 page = random_below(&w->random, AREA_PAGES);
	u64 v = stamp(w->process->owner, area_page(w->area, page), ++w->serial), va;
	u32 way = random_below(&w->random, ARRAY_SIZE(ways));

	if (!home_of(a) || a->where & WHERE_READONLY)
		return false;
	va = area_va(w->area, home_of(a), page);
	if (!ways[way](w, va, v)) {
		/* Out of memory, perhaps half way: begin anew. */
		keeper_empty(w);
		return false;
	}
	a->exact[page] = v;
	return true;
}

static bool read_by_pin(struct mm *mm, u64 va, u64 *first, u64 *last)
{
	paddr_t pa;

	if (gup_fast(mm, va, 1, 0, &pa) != 1)
		return false;
	*first = mem_load(&page_words(pa)[WORD_KEEPER]);
	*last = mem_load(&page_words(pa)[WORD_LAST]);
	gup_unpin(&pa, 1);
	return true;
}

static bool read_by_address(struct mm *mm, u64 va, u64 *first, u64 *last)
{
	return !user_read(mm, va + 8ul * WORD_KEEPER, first) &&
	       !user_read(mm, va + 8ul * WORD_LAST, last);
}

bool keeper_verify(struct worker *w)
{
	struct area *a = mine(w);
	u32 page = random_below(&w->random, AREA_PAGES);
	bool by_pin = random_below(&w->random, 2);
	u64 va, first, last;

	if (!home_of(a))
		return false;
	va = area_va(w->area, home_of(a), page);
	if (by_pin ? !read_by_pin(w->process->mm, va, &first, &last)
		   : !read_by_address(w->process->mm, va, &first, &last))
		return false; /* no memory */
	if (first != a->exact[page] || last != a->exact[page])
		finding(by_pin ? FOUND_PARTED : FOUND_LOST, va, a->exact[page],
			first != a->exact[page] ? first : last);
	return true;
}
