/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/stress/trade.h"

#include "guest/cpu/irq.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/huge.h"
#include "guest/mm/map.h"
#include "guest/mm/page.h"
#include "guest/mm/switch.h"
#include "guest/mm/table.h"
#include "guest/mm/walk.h"
#include "guest/sched/thread.h"
#include "guest/stress/pattern.h"
#include "guest/stress/pool.h"
#include "guest/stress/stops.h"

#define PAGES	    8u
#define POOL_PAGES  30u /* two processes with their tables, and a few */
#define DEFER_PAGES 24u /* more where tables wait for walkers */
#define POOL_FRAMES 256u
#define MEET_POLLS  20000u
#define ASIDE	    6u	 /* pages put aside, at most */
#define TRIES	    200u /* to get memory, or to collapse what is pinned */
#define LONGER	    20u	 /* times the rounds, at most, for want of evidence */

/* In each table of the way it is one of the first 8 entries, where pages have stamps. */
#define BASE (1ul << 39 | 2ul << 30 | 3ul << 21)

struct side {
	struct mm *mm;
	u32 owner;
	u64 random;	       /* of the one that changes */
	u32 generation[PAGES]; /* its own */
	u32 floor[PAGES];      /* lock-free: generations before these have ended */
	u32 place;	       /* lock-free: odd while pages go */
	u32 meetings;	       /* lock-free */
	/* Of the one that walks. */
	u64 walks, overtaken, pinned;
	u64 tokens;
};

static struct {
	struct trade_plan plan;
	struct trade_counts count; /* what the changers add up */
	u32 over;		   /* lock-free: changers that are done */
	u32 ready;		   /* lock-free: threads that wait for ... */
	bool begun;		   /* lock-free */
	struct side side[2];
	u32 last_owner[POOL_FRAMES]; /* of tables, by a hash of the frame; racy: statistics */
} trade;

static bool is_over(void)
{
	return mem_load(&trade.over) == 2 || (trade.plan.until_found && findings_all());
}

/* Walks were overtaken, and what they stood on has become something else. */
static bool has_evidence(void)
{
	const struct trade_counts *c = &trade.count;
	struct hooked_counts h;

	if (!mem_load(trade.plan.collapse ? &c->collapses : &c->hand_overs))
		return false;
	if (trade.plan.stopped)
		return mem_load(&trade.side[0].overtaken) || mem_load(&trade.side[1].overtaken);
	hooked_counts(&h);
	return h.overtaken;
}

static bool goes_on(u64 round)
{
	if (is_over())
		return false;
	return round < trade.plan.rounds ||
	       (round < LONGER * trade.plan.rounds && !trade.plan.until_found && !has_evidence());
}

static u64 page_va(u32 page)
{
	return BASE + page * PAGE_SIZE;
}

/* All begin together, when memory is short. CPU 0 has one more thread, the suite's. */
static void wait_for_begin(void)
{
	mem_add(&trade.ready, 1);
	while (!mem_load(&trade.begun))
		thread_yield();
}

/* This thread is in no walk: with rcu, tables wait for that, and nobody else runs here. */
static void rest(void)
{
	bool was = irq_save();

	walk_quiescent();
	irq_restore(was);
}

static void fill(const struct side *s, u32 page, paddr_t pa)
{
	u64 v = stamp(s->owner, page, s->generation[page]);

	for (u32 i = 0; i < PAGES; i++)
		mem_store(&page_words(pa)[i], v);
}

static void populate(struct side *s, u32 page)
{
	paddr_t pa;

	for (u32 i = 0; i < TRIES; i++) {
		if (gup_fast(s->mm, page_va(page), 1, GUP_WRITE, &pa) == 1) {
			fill(s, page, pa);
			gup_unpin(&pa, 1);
			return;
		}
		rest();
		walk_poll();
		thread_yield();
	}
	mem_add(&trade.count.no_memory, 1);
}

/* Whose the frame of the last table on the way was before. */
static void note_table(struct side *s)
{
	paddr_t table = PADDR_NONE;
	const pte_t *slot;
	u32 *last;

	mm_lock(s->mm);
	slot = pt_slot(s->mm->root, BASE, 1);
	if (slot)
		table = virt_to_phys(slot) & PAGE_MASK;
	mm_unlock(s->mm);
	if (table == PADDR_NONE)
		return;
	last = &trade.last_owner[(table >> PAGE_SHIFT) % POOL_FRAMES];
	if (mem_load(last) && mem_load(last) != s->owner)
		mem_add(&trade.count.hand_overs, 1);
	mem_store(last, s->owner);
}

/*
 * Both have given back before either takes: otherwise each would find its own frames on
 * top of the stack, in the old order.
 */
static void meet_other(struct side *s)
{
	struct side *other = &trade.side[s == &trade.side[0]];
	u32 mine = mem_add(&s->meetings, 1), polls = 0;

	while (polls < MEET_POLLS && mem_load(&other->meetings) < mine) {
		rest();
		cpu_poll(&polls);
	}
	mem_add(&trade.count.met, mem_load(&other->meetings) >= mine);
}

/* Some pages off the stack, so that each frame finds another use than before. */
static u32 put_aside(struct side *s, paddr_t aside[ASIDE])
{
	u32 want = random_below(&s->random, ASIDE + 1), got = 0;

	while (got < want && (aside[got] = page_alloc()) != PADDR_NONE)
		got++;
	return got;
}

/* What is mapped is walked before it goes. */
static void wait_for_walker(const struct side *s)
{
	u32 walker = s == &trade.side[1], polls = 0;

	while (polls < MEET_POLLS && !hooked_holding(walker))
		cpu_poll(&polls);
}

static void renew(struct side *s, u32 first, u32 count, u64 bytes)
{
	u64 va = page_va(first);
	paddr_t aside[ASIDE];
	u32 put;

	mem_add(&s->place, 1);
	for (u32 i = first; i < first + count; i++)
		s->generation[i]++;
	if (mm_unmap(s->mm, va, bytes))
		panic("trade: a range cannot be unmapped");
	for (u32 i = first; i < first + count; i++)
		mem_store(&s->floor[i], s->generation[i]);
	hooked_progress();
	if (mem_load(&trade.begun))
		meet_other(s);
	for (u32 i = 0; mm_map(s->mm, va, bytes, PROT_READ | PROT_WRITE, 0) < 0; i++) {
		if (i == 100 * TRIES)
			panic("trade: no memory to map a range");
		thread_yield();
	}
	mem_add(&s->place, 1);
	put = put_aside(s, aside);
	for (u32 i = first; i < first + count; i++)
		populate(s, i);
	while (put)
		page_put(aside[--put]);
	mem_add(&trade.count.changes, 1);
	hooked_progress();
}

static void collapse(struct side *s)
{
	u32 i = 0;

	while (i < TRIES && !is_over() && mm_collapse(s->mm, BASE))
		i++;
	if (i < TRIES)
		mem_add(&trade.count.collapses, 1);
	hooked_progress();
}

static void change(struct side *s)
{
	if (trade.plan.collapse) {
		collapse(s);
		renew(s, 0, PAGES, LARGE_PAGE_SIZE);
	} else if (random_below(&s->random, 2)) {
		renew(s, 0, PAGES, LARGE_PAGE_SIZE);
		note_table(s);
	} else {
		u32 first = random_below(&s->random, PAGES - 1);
		u32 count = 1 + random_below(&s->random, PAGES - 1 - first);

		renew(s, first, count, count * PAGE_SIZE); /* not the last page: the tables stay */
	}
}

static void changer(void *arg)
{
	struct side *s = arg;

	mm_use(s->mm);
	wait_for_begin();
	for (u64 i = 0; goes_on(i); i++) {
		if (i && !trade.plan.stopped) /* before, nothing is there to be walked */
			wait_for_walker(s);
		change(s);
	}
	mem_store(&s->meetings, -1u); /* the other need not wait */
	mem_add(&trade.over, 1);
	mm_put(s->mm);
}

/* What goes through the pin must arrive at the address, unless the page was unmapped. */
static void check_pin(struct side *s, u32 page, paddr_t pa, u32 place)
{
	u64 token = stamp(s->owner, page, (u32)++s->tokens), found,
	    va = page_va(page) + 8ul * PAGES;

	if (place & 1)
		return;
	mem_store(&page_words(pa)[PAGES], token);
	while (try_read64((const void *)va, &found)) {
		/* A collapse is under way, which gives up for this pin. */
		if (mem_load(&s->place) != place)
			return;
	}
	if (found != token && mem_load(&s->place) == place)
		finding(FOUND_PARTED, va, token, found);
}

static void check_page(struct side *s, u32 page, paddr_t pa, u32 floor, u32 place)
{
	u64 v = mem_load(&page_words(pa)[0]);

	stamp_check(v, page_va(page), s->owner, page, floor);
	/* What is not ours, or not yet, is not written to: a walk without R2 comes as far as that.
	 */
	if (trade.plan.collapse && v == stamp(s->owner, page, stamp_generation(v)))
		check_pin(s, page, pa, place);
}

/* gup_fast_only() itself, or a control; the host sees when it is under way. */
static u32 walk_seen(struct side *s, u64 va, u32 count, paddr_t *pages)
{
	u64 *word = stops_word();
	u32 got;

	mem_store(word, 1);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (trade.plan.form == HOOKED_COUNT)
		got = gup_fast_only(s->mm, va, count, 0, pages);
	else
		got = hooked_walk(trade.plan.form, s->mm, va, count, 0, pages);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	mem_store(word, 0);
	return got;
}

/* One page where the hooks hold the walk up; else all, so that it takes its time. */
static bool walk_once(struct side *s, u64 *random)
{
	u32 page = trade.plan.stopped ? 0 : random_below(random, PAGES);
	u32 count = trade.plan.stopped ? PAGES : 1, place = mem_load(&s->place), floor[PAGES], got;
	paddr_t pa[PAGES];

	for (u32 i = 0; i < count; i++)
		floor[i] = mem_load(&s->floor[page + i]);
	if (trade.plan.stopped)
		got = walk_seen(s, page_va(page), count, pa);
	else
		got = hooked_walk(trade.plan.form, s->mm, page_va(page), count,
				  trade.plan.collapse ? GUP_WRITE : 0, pa);
	ASSERT(got <= count);
	s->walks++;
	s->overtaken += mem_load(&s->place) != place;
	s->pinned += got;
	for (u32 i = 0; i < got; i++)
		check_page(s, page + i, pa[i], floor[i], place);
	gup_unpin(pa, got);
	return got;
}

static void walker(void *arg)
{
	struct side *s = arg;
	u64 random = s->random + 1;
	u32 polls = 0;

	ASSERT(s == &trade.side[cpu_id()]);
	mm_use(s->mm);
	wait_for_begin();
	while (!is_over()) {
		if (!walk_once(s, &random))
			cpu_poll(&polls);
		rest();
	}
	mm_put(s->mm);
}

static void open_side(struct side *s, u32 owner)
{
	*s = (struct side){
		.mm = mm_create(),
		.owner = owner,
		.random = trade.plan.seed + owner,
	};
	if (!s->mm || mm_map(s->mm, BASE, LARGE_PAGE_SIZE, PROT_READ | PROT_WRITE, 0) < 0)
		panic("trade: no memory for an mm");
	/* What cutting a range needs, before memory is short. */
	for (u32 i = 0; i < PAGES; i++)
		renew(s, i, 1, PAGE_SIZE);
	if (mm_unmap(s->mm, BASE, LARGE_PAGE_SIZE) ||
	    mm_map(s->mm, BASE, LARGE_PAGE_SIZE, PROT_READ | PROT_WRITE, 0) < 0)
		panic("trade: a range cannot be mapped again");
}

/* Side i: walker on CPU i, changer on CPU i + 2. The walkers may share a host CPU. */
static void run(u32 pages)
{
	struct thread *t[4];

	for (u32 i = 0; i < 4; i++) {
		struct side *s = &trade.side[i & 1];

		mm_get(s->mm);
		t[i] = thread_create(i < 2 ? "walker" : "changer", i, i < 2 ? walker : changer, s);
	}
	while (mem_load(&trade.ready) < 4)
		thread_yield();
	if (pages)
		ktap_ok(pool_starve(pages) == pages, "%u pages of memory are left", pages);
	hooked_start();
	mem_store(&trade.begun, true);
	for (u32 i = 0; i < 4; i++)
		thread_join(t[i]);
	pool_feed();
}

void trade_hold(const struct trade_plan *plan, struct trade_counts *out)
{
	u32 pages = POOL_PAGES + (walk_scheme->defers ? DEFER_PAGES : 0);

	memset(&trade, 0, sizeof(trade));
	trade.plan = *plan;
	findings_reset();
	hooked_reset(plan->seed, !plan->stopped);
	for (u32 i = 0; i < 2; i++)
		open_side(&trade.side[i], i + 1);
	run(plan->collapse ? 0 : pages);
	*out = trade.count;
	for (u32 i = 0; i < 2; i++) {
		out->walks += trade.side[i].walks;
		out->overtaken += trade.side[i].overtaken;
		out->pinned += trade.side[i].pinned;
		mm_put(trade.side[i].mm);
	}
}
