/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two processes at the same address, each with a CPU that changes its tables and one that
 * walks them by hooked_walk(). In `pages` memory is a stack of a few pages: what
 * one frees, table or page, the other has next, and it comes back in the same place (ABA).
 * In `collapse` tables leave their place and keep their contents.
 */
#include "guest/cpu/irq.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/flush/flush.h"
#include "guest/lib/harness.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/huge.h"
#include "guest/mm/map.h"
#include "guest/mm/page.h"
#include "guest/mm/switch.h"
#include "guest/mm/table.h"
#include "guest/mm/walk.h"
#include "guest/sched/thread.h"
#include "guest/stress/hooked.h"
#include "guest/stress/pattern.h"
#include "guest/stress/pool.h"
#include "guest/stress/stress.h"

#define PAGES	    8u
#define POOL_PAGES  30u /* two processes with their tables, and a few */
#define DEFER_PAGES 24u /* more where tables wait for walkers */
#define POOL_FRAMES 256u
#define MEET_POLLS  20000u
#define ASIDE	    6u	 /* pages put aside, at most */
#define TRIES	    200u /* to get memory, or to collapse what is pinned */

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
	u64 pinned, tokens;    /* of the one that walks */
};

struct trade {
	const struct stress *stress;
	enum hooked_id form;
	bool collapse;
	bool until_found;
	u32 over;   /* lock-free: changers that are done */
	u32 ready;  /* lock-free: threads that wait for ... */
	bool begun; /* lock-free */
	u64 changes, met, collapses, hand_overs, no_memory;
	struct side side[2];
	u32 last_owner[POOL_FRAMES]; /* of tables, by a hash of the frame; racy: statistics */
};

static struct trade trade;

static bool is_over(void)
{
	return mem_load(&trade.over) == 2 || (trade.until_found && findings_all());
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
	mem_add(&trade.no_memory, 1);
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
		mem_add(&trade.hand_overs, 1);
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
	mem_add(&trade.met, mem_load(&other->meetings) >= mine);
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
	mem_add(&trade.changes, 1);
	hooked_progress();
}

static void collapse(struct side *s)
{
	u32 i = 0;

	while (i < TRIES && !is_over() && mm_collapse(s->mm, BASE))
		i++;
	if (i < TRIES)
		mem_add(&trade.collapses, 1);
	hooked_progress();
}

static void change(struct side *s)
{
	if (trade.collapse) {
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
	for (u64 i = 0; i < trade.stress->rounds && !is_over(); i++) {
		if (i) /* before, nothing is there to be walked */
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
	u64 token = stamp(s->owner, page, (u32)++s->tokens), found, va = page_va(page) + 8 * PAGES;

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

static void walk_once(struct side *s, u64 *random, u32 *polls)
{
	u32 page = random_below(random, PAGES), place = mem_load(&s->place);
	u32 floor = mem_load(&s->floor[page]);
	paddr_t pa;
	u64 v;

	if (hooked_walk(trade.form, s->mm, page_va(page), 1, trade.collapse ? GUP_WRITE : 0, &pa) !=
	    1) {
		cpu_poll(polls);
		return;
	}
	s->pinned++;
	v = mem_load(&page_words(pa)[0]);
	stamp_check(v, page_va(page), s->owner, page, floor);
	/* What is not ours, or not yet, is not written to: a walk without R2 comes as far as that.
	 */
	if (trade.collapse && v == stamp(s->owner, page, stamp_generation(v)))
		check_pin(s, page, pa, place);
	gup_unpin(&pa, 1);
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
		walk_once(s, &random, &polls);
		rest();
	}
	mm_put(s->mm);
}

static void open_side(struct side *s, u32 owner)
{
	*s = (struct side){
		.mm = mm_create(),
		.owner = owner,
		.random = trade.stress->seed + owner,
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

static void hold_trade(const struct stress *s, enum hooked_id form, bool collapsing,
		       bool until_found)
{
	u32 pages = POOL_PAGES + (walk_scheme->defers ? DEFER_PAGES : 0);

	trade = (struct trade){
		.stress = s,
		.form = form,
		.collapse = collapsing,
		.until_found = until_found,
	};
	findings_reset();
	hooked_reset(s->seed);
	for (u32 i = 0; i < 2; i++)
		open_side(&trade.side[i], i + 1);
	run(collapsing ? 0 : pages);
	for (u32 i = 0; i < 2; i++)
		mm_put(trade.side[i].mm);
}

static void show(const struct hooked_counts *c)
{
	ktap_diag("%lu changes, %lu met, %lu collapses, %lu tables handed over; %lu walks, %lu "
		  "held up, "
		  "%lu of them overtaken; %lu pages pinned; out of memory %lu times",
		  trade.changes, trade.met, trade.collapses, trade.hand_overs, c->walks, c->held,
		  c->overtaken, trade.side[0].pinned + trade.side[1].pinned, trade.no_memory);
}

/* A walk that is complete. */
static void check_complete(const struct stress *s, enum hooked_id form, bool collapsing)
{
	struct hooked_counts c;
	u64 free = stress_census(), bait;

	hold_trade(s, form, collapsing, false);
	hooked_counts(&c);
	show(&c);
	findings_show();
	ktap_ok(!findings_all(), "%u findings in %lu walks", findings_all(), c.walks);
	bait = collapsing ? trade.collapses : trade.hand_overs;
	ktap_ok(c.overtaken && bait, "%lu walks were overtaken, %lu tables %s%s", c.overtaken, bait,
		collapsing ? "collapsed" : "handed over",
		c.overtaken && bait ? "" : ": no evidence");
	ktap_ok(free == stress_census(), "census: %lu pages are free again of %lu", stress_census(),
		free);
	if (form == HOOKED_IRQOFF)
		ktap_ok(c.masked == c.steps, "control: interrupts are off at each step");
	else
		ktap_ok(!c.masked, "interrupts were on at each of %lu steps", c.steps);
}

/* A walk that must not pass. */
static void check_caught(const struct stress *s, enum hooked_id form, bool collapsing,
			 enum finding kind, const char *what)
{
	struct hooked_counts c;
	u32 caught;

	hold_trade(s, form, collapsing, true);
	hooked_counts(&c);
	show(&c);
	findings_show();
	caught = kind == FINDING_COUNT ? findings_all() : findings_of(kind);
	ktap_ok(caught, "control, %s: caught %u times in %lu walks%s", what, caught, c.walks,
		caught ? "" : ": no evidence");
	stress_census();
}

static bool can_trade(void)
{
	if (cpu_count() < 4)
		ktap_skip("trade: it needs 4 CPUs");
	return cpu_count() >= 4;
}

/* The kvm flush passes over a vCPU only while the host has it off its CPU. */
static bool place_for_kvm(void)
{
	struct harness_place place;
	char why[128];

	if (flush_backend()->id != HF_BACKEND_KVM)
		return true;
	if (!harness_place(HARNESS_OVERCOMMITTED, cpu_count(), &place, why))
		return true;
	ktap_skip("irqoff with kvm: no vCPU is taken off its CPU here: %s", why);
	return false;
}

static struct stress until_caught(const struct stress *s)
{
	return (struct stress){ .seed = s->seed, .rounds = 20 * s->rounds };
}

void stress_trade(const struct stress *s)
{
	enum hooked_id form = hooked_scheme(walk_scheme->name);
	struct stress longer = until_caught(s);

	if (!can_trade())
		return;
	if (s->refused) {
		if (place_for_kvm())
			check_caught(&longer, form, false, FINDING_COUNT,
				     "irqoff without interrupts that wait for it");
		return;
	}
	ktap_begin("trade of pages");
	check_complete(s, form, false);
	ktap_end();
	ktap_begin("trade with collapse");
	check_complete(s, form, true);
	ktap_end();
}

void stress_trade_controls(const struct stress *s)
{
	struct stress longer = until_caught(s);

	if (s->refused || !can_trade())
		return;
	ktap_begin("trade, walks that lack a check");
	check_caught(&longer, HOOKED_WITHOUT_V, false, FOUND_GARBAGE, "seq without V");
	check_caught(&longer, HOOKED_WITHOUT_R1, false, FOUND_FOREIGN, "seq without R1");
	check_caught(&longer, HOOKED_WITHOUT_R2, true, FINDING_COUNT, "seq without R2");
	ktap_end();
}
