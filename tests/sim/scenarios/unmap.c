/* SPDX-License-Identifier: BSD-2-Clause */
/* User mode against the calls that take its pages away, or their permissions. */
#include "guest/cpu/memory.h"
#include "guest/lib/errno.h"
#include "guest/mm/fork.h"
#include "guest/mm/gather.h"
#include "guest/mm/huge.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

static struct mm *a;
static u64 last; /* value that user mode has stored */

static void begin(void)
{
	a = scene_mm("A");
	scene_map(a, VA_A, 1, PROT_WRITE);
	scene_touch(a, VA_A, 0x100);
	last = 0x100;
}

/* Set when a call has returned: from then on user mode must notice. */
static void announce(void)
{
	mem_store(&scene_word[0], 1);
}

static bool announced(void)
{
	return mem_load(&scene_word[0]);
}

static void store_until_fault(void *arg)
{
	(void)arg;
	for (u64 i = 1; i <= 3; i++) {
		bool late = announced(), ok = user_store(VA_A, i);

		EXPECT(!(late && ok));
		if (ok)
			last = i;
	}
}

static void load_until_fault(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		bool late = announced(), ok = user_load(VA_A, &v);

		EXPECT(!(late && ok));
		EXPECT(!ok || v <= 0x100);
	}
}

static void unmap(void *arg)
{
	(void)arg;
	EXPECT(mm_unmap(a, VA_A, PAGE_SIZE) == 0);
	announce();
	scene_reuse(4, PAGE_SIZE);
}

static void set_up_unmap(void)
{
	begin();
	if (sim_choose(2)) {
		scene_map(a, VA_NEAR, 1,
			  PROT_WRITE); /* the page goes by itself, not with its table */
		scene_touch(a, VA_NEAR, 0x100);
	}
	scene_thread(0, "store", a, store_until_fault, NULL);
	scene_thread(1, "unmap", a, unmap, NULL);
	scene_thread(2, "load", a, load_until_fault, NULL);
}

static void dirty_bits(void)
{
	EXPECT(mm_unmap(a, VA_A, 2 * PAGE_SIZE) == 0); /* VA_NEAR, if it is there */
	EXPECT(a->dirty == sim.hardware_dirty && a->mapped == 0);
}

static void protect(void *arg)
{
	(void)arg;
	EXPECT(mm_protect(a, VA_A, PAGE_SIZE, PROT_READ) == 0);
	announce();
}

static void set_up_protect(void)
{
	begin();
	scene_thread(0, "store", a, store_until_fault, NULL);
	scene_thread(1, "protect", a, protect, NULL);
}

static void last_value(void)
{
	EXPECT(scene_content(a, VA_A) == last);
}

static void protect_all(void *arg)
{
	(void)arg;
	EXPECT(mm_protect(a, VA_A, PAGE_SIZE, 0) == 0);
	announce();
}

/* Nobody may have what user mode may not. */
static void pin_until_fault(void *arg)
{
	paddr_t page;

	(void)arg;
	for (int i = 0; i < 2; i++) {
		bool late = announced();
		u32 n = scene_gup_only(a, VA_A, 1, 0, &page);

		EXPECT(!(late && n));
		gup_unpin(&page, n);
	}
}

static void set_up_protect_none(void)
{
	begin();
	if (sim_choose(2)) {
		scene_thread(0, "pin", a, pin_until_fault, NULL);
		scene_thread(1, "protect", a, protect_all, NULL);
		return;
	}
	scene_thread(0, "store", a, store_until_fault, NULL);
	scene_thread(1, "protect", a, protect_all, NULL);
	scene_thread(2, "load", a, load_until_fault, NULL);
}

static void remap(void *arg)
{
	(void)arg;
	EXPECT(mm_remap(a, VA_A, PAGE_SIZE, VA_FAR) == 0);
	announce();
	scene_reuse(2, PAGE_SIZE);
}

static void set_up_remap(void)
{
	begin();
	if (sim_choose(2)) {
		scene_map(a, VA_NEAR, 1, PROT_WRITE); /* keeps the tables */
		scene_touch(a, VA_NEAR, 1);
	}
	scene_thread(0, "store", a, store_until_fault, NULL);
	scene_thread(1, "remap", a, remap, NULL);
}

/* What was stored has moved, and the dirty bit with it. */
static void last_value_moved(void)
{
	EXPECT(scene_content(a, VA_FAR) == last);
	EXPECT(mm_unmap(a, VA_FAR, PAGE_SIZE) == 0);
	dirty_bits();
}

static void dontneed(void *arg)
{
	(void)arg;
	EXPECT(mm_dontneed(a, VA_A, PAGE_SIZE) == 0);
	announce();
	scene_reuse(1, PAGE_SIZE);
}

static void load_zero(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		bool late = announced();

		EXPECT(user_load(VA_A, &v));
		EXPECT(v == 0 || (v == 0x100 && !late));
	}
}

static void set_up_dontneed(void)
{
	begin();
	scene_thread(0, "load", a, load_zero, NULL);
	scene_thread(1, "dontneed", a, dontneed, NULL);
	scene_thread(2, "load", a, load_zero, NULL);
}

/* Two threads fault the same page in: one of them does it, and nothing is lost. */
static void fault_in(void *arg)
{
	u64 word = (u64)arg, v;

	EXPECT(user_store(VA_NEAR + word * sizeof(u64), 5 + word));
	EXPECT(user_load(VA_NEAR + word * sizeof(u64), &v) && v == 5 + word);
}

static void set_up_fault(void)
{
	begin();
	scene_map(a, VA_NEAR, 1, PROT_WRITE);
	scene_thread(0, "fault", a, fault_in, (void *)0);
	scene_thread(1, "fault", a, fault_in, (void *)1);
	scene_thread(2, "fault", a, fault_in, (void *)2);
}

static void both_words(void)
{
	EXPECT(a->mapped == 2);
	EXPECT(scene_content(a, VA_NEAR) == 5);
}

/* A table that holds nothing any more is walked all the same. */
static void empty_and_unmap(void *arg)
{
	(void)arg;
	EXPECT(mm_dontneed(a, VA_A, PAGE_SIZE) == 0);
	EXPECT(mm_unmap(a, VA_A, PAGE_SIZE) == 0);
	announce();
	scene_reuse(4, PAGE_SIZE);
}

static void set_up_empty(void)
{
	begin();
	scene_map(a, VA_B, 1, PROT_WRITE); /* keeps the table of level 2 */
	scene_touch(a, VA_B, 0x100);
	scene_thread(0, "unmap", a, empty_and_unmap, NULL);
	scene_thread(1, "load", a, load_until_fault, NULL);
}

/* More ranges than a flush request holds. */
#define HOLES (FLUSH_MAX_RANGES + 2ul)

static void unmap_holes(void *arg)
{
	(void)arg;
	EXPECT(mm_unmap(a, VA_B, 2 * HOLES * PAGE_SIZE) == 0);
	announce();
	scene_reuse(4, PAGE_SIZE);
}

static void load_last(void *arg)
{
	u64 v, va = VA_B + 2 * (HOLES - 1) * PAGE_SIZE;

	(void)arg;
	for (int i = 0; i < 2; i++) {
		bool late = announced(), ok = user_load(va, &v);

		EXPECT(!(late && ok));
		EXPECT(!ok || v == 0x100);
	}
}

static void set_up_holes(void)
{
	begin();
	scene_map(a, VA_B, (u32)(2 * HOLES), PROT_WRITE);
	scene_map(a, VA_B + 0x100000, 1, PROT_WRITE);
	for (u32 i = 0; i < HOLES; i++)
		scene_touch(a, VA_B + 2ul * i * PAGE_SIZE, 0x100);
	scene_thread(0, "unmap", a, unmap_holes, NULL);
	scene_thread(1, "load", a, load_last, NULL);
}

/* More pages than a gather holds: it is settled on the way. */
#define MANY (GATHER_PAGES + 2ul)

static void unmap_many(void *arg)
{
	(void)arg;
	EXPECT(mm_dontneed(a, VA_FAR, MANY * PAGE_SIZE) == 0);
	scene_reuse(2, PAGE_SIZE);
}

static void load_many(void *arg)
{
	u64 v;

	(void)arg;
	EXPECT(user_load(VA_FAR, &v) && (v == 0x100 || v == 0));
	EXPECT(user_load(VA_FAR + (MANY - 1) * PAGE_SIZE, &v) && (v == 0x100 || v == 0));
}

static void set_up_many(void)
{
	begin();
	scene_map(a, VA_FAR, (u32)MANY, PROT_WRITE);
	for (u32 i = 0; i < MANY; i++)
		scene_touch(a, VA_FAR + i * PAGE_SIZE, 0x100);
	scene_thread(0, "unmap", a, unmap_many, NULL);
	scene_thread(1, "load", a, load_many, NULL);
}

/* Memory runs out at any place: nothing is lost, and nothing goes before its time. */
static void struggle(void *arg)
{
	struct mm *child;
	bool moved;
	u64 v = 0;

	(void)arg;
	frames_fail_after(1 + sim_choose(20));
	user_store(VA_NEAR, 1);
	child = mm_fork(a);
	user_store(VA_A, 2);
	if (mm_collapse(a, VA_A) == 0)
		user_load(VA_A, &v);
	moved = mm_remap(a, VA_A + 16 * PAGE_SIZE, PAGE_SIZE, VA_FAR) == 0;
	mm_unmap(a, VA_NEAR, PAGE_SIZE);
	frames_fail_after(0);
	EXPECT(user_load(VA_FAR, &v) == moved);
	EXPECT(user_load(VA_A + 16 * PAGE_SIZE, &v) == !moved);
	if (child)
		mm_put(child);
}

static void store_some(void *arg)
{
	u64 v;

	(void)arg;
	for (u64 i = 1; i <= 2; i++)
		if (user_store(VA_A + 8, i))
			EXPECT(user_load(VA_A + 8, &v) && v == i);
}

static void set_up_nomem(void)
{
	a = scene_mm("A");
	scene_map(a, VA_A, PT_ENTRIES, PROT_WRITE);
	scene_touch(a, VA_A, 1);
	scene_touch(a, VA_A + 16 * PAGE_SIZE, 1);
	scene_thread(0, "struggle", a, struggle, NULL);
	scene_thread(1, "store", a, store_some, NULL);
}

/* What is refused leaves a large page large. */
static void be_refused(void *arg)
{
	u64 last_page = VA_A + LARGE_PAGE_SIZE - PAGE_SIZE;

	(void)arg;
	EXPECT(mm_protect(a, last_page, 2 * PAGE_SIZE, PROT_READ) == -ENOMEM);
	EXPECT(mm_dontneed(a, last_page, 2 * PAGE_SIZE) == -ENOMEM);
	EXPECT(mm_remap(a, last_page, PAGE_SIZE, VA_FAR) == -EINVAL);
	EXPECT(mm_remap(a, last_page, 2 * PAGE_SIZE, VA_FAR + PAGE_SIZE) == -EINVAL);
	EXPECT(mm_collapse(a, VA_A) == 0);
}

static void set_up_refused(void)
{
	a = scene_mm("A");
	EXPECT(mm_map(a, VA_A, LARGE_PAGE_SIZE, PROT_WRITE, MAP_HUGE) == (s64)VA_A);
	scene_touch(a, VA_A, 1);
	scene_map(a, VA_FAR, 1, PROT_WRITE);
	scene_thread(0, "refused", a, be_refused, NULL);
	scene_thread(1, "store", a, store_some, NULL);
}

/* An mm has almost as many mappings as it may: a call works or has done nothing. */
static void reach_limit(void *arg)
{
	u64 v;
	s64 r;

	(void)arg;
	r = mm_protect(a, VA_NEAR, PAGE_SIZE, PROT_READ);
	EXPECT(r == 0 || r == -ENOMEM);
	EXPECT(user_store(VA_NEAR, 2) == !!r);
	r = mm_remap(a, VA_A, PAGE_SIZE, VA_FAR + PAGE_SIZE);
	EXPECT(r == 0 || r == -ENOMEM);
	EXPECT(user_load(r ? VA_A : VA_FAR + PAGE_SIZE, &v) && v == 1);
	r = mm_unmap(a, VA_NEAR + PAGE_SIZE, PAGE_SIZE);
	EXPECT(r == 0 || r == -ENOMEM);
	EXPECT(user_load(VA_NEAR + PAGE_SIZE, &v) == !!r);
	r = mm_map(a, VA_B, PAGE_SIZE, PROT_READ, 0);
	EXPECT(r == (s64)VA_B || r == -ENOMEM);
	EXPECT(a->nr_vmas <= VMA_MAX);
}

static void set_up_limit(void)
{
	a = scene_mm("A");
	scene_map(a, VA_A, 4, PROT_WRITE);
	scene_touch(a, VA_A, 1);
	scene_touch(a, VA_NEAR, 1);
	scene_map(a, VA_FAR, 1, PROT_WRITE);
	scene_thread(0, "limit", a, reach_limit, NULL);
	a->nr_vmas = VMA_MAX - sim_choose(5); /* as if there were more of them elsewhere */
}

const struct sim_scenario unmap_scenarios[] = {
	{ .name = "unmap",
	  .what = "loads and stores against munmap; dirty bits",
	  .cpus = 3,
	  .setup = set_up_unmap,
	  .check = dirty_bits },
	{ .name = "unmap-protect",
	  .what = "stores against mprotect(READ)",
	  .cpus = 2,
	  .setup = set_up_protect,
	  .check = last_value },
	{ .name = "unmap-protect-none",
	  .what = "loads and stores against mprotect(NONE)",
	  .cpus = 3,
	  .setup = set_up_protect_none },
	{ .name = "unmap-remap",
	  .what = "stores against mremap",
	  .cpus = 2,
	  .setup = set_up_remap,
	  .check = last_value_moved },
	{ .name = "unmap-dontneed",
	  .what = "loads against MADV_DONTNEED",
	  .cpus = 3,
	  .setup = set_up_dontneed },
	{ .name = "unmap-fault",
	  .what = "faults of three CPUs on one page",
	  .cpus = 3,
	  .setup = set_up_fault,
	  .check = both_words },
	{ .name = "unmap-empty",
	  .what = "a table is emptied first, and unlinked later",
	  .cpus = 2,
	  .setup = set_up_empty },
	{ .name = "unmap-holes",
	  .what = "more ranges than a request holds",
	  .cpus = 2,
	  .setup = set_up_holes },
	{ .name = "unmap-many",
	  .what = "more pages than a batch holds",
	  .cpus = 2,
	  .setup = set_up_many },
	{ .name = "unmap-nomem",
	  .what = "every call, while memory runs out",
	  .cpus = 2,
	  .setup = set_up_nomem },
	{ .name = "unmap-refused",
	  .what = "calls that are refused, at the edge of a large page",
	  .cpus = 2,
	  .setup = set_up_refused },
	{ .name = "unmap-limit",
	  .what = "as many mappings as there may be",
	  .cpus = 1,
	  .setup = set_up_limit },
	{ 0 },
};
