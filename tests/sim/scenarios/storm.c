/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything at random: what no other scenario has thought of. */
#include "guest/cpu/memory.h"
#include "guest/mm/exit.h"
#include "guest/mm/fork.h"
#include "guest/mm/held.h"
#include "guest/mm/huge.h"
#include "guest/mm/vmap.h"
#include "guest/mm/walk.h"
#include "tests/sim/frames.h"
#include "tests/sim/ring.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

#define CALLS 5 /* of each thread */

static struct mm *a, *b;

/* What a thread keeps pinned, from one call to a later one. */
struct hold {
	paddr_t page[2];
	u32 count;
};

/* The first word of a page names its address space; pages that nobody wrote to are zero. */
static u64 owner(void)
{
	return sim_thread()->guest.mm == a ? 0xaul : 0xbul;
}

static bool is_ours(u64 word)
{
	return !word || word == owner();
}

static u64 some_va(void)
{
	return (const u64[]){ VA_A, VA_NEAR, VA_B, VA_FAR }[sim_choose(4)];
}

static void store(struct mm *mm, struct hold *h)
{
	(void)mm;
	(void)h;
	user_store(some_va(), owner());
}

static void load(struct mm *mm, struct hold *h)
{
	u64 v;

	(void)mm;
	(void)h;
	if (user_load(some_va(), &v))
		EXPECT(is_ours(v));
}

static void unpin(struct hold *h)
{
	for (u32 i = 0; i < h->count; i++)
		EXPECT(is_ours(frame_load((u32)(h->page[i] >> PAGE_SHIFT))));
	gup_unpin(h->page, h->count);
	h->count = 0;
}

static void pin(struct mm *mm, struct hold *h)
{
	unsigned flags = sim_choose(2) ? GUP_WRITE : 0;

	unpin(h);
	if (sim_choose(2)) {
		h->count = scene_gup_only(mm, some_va(), 1 + sim_choose(2), flags, h->page);
	} else {
		s64 n = scene_gup(mm, some_va(), 1 + sim_choose(2), flags, h->page);

		h->count = n < 0 ? 0 : (u32)n;
	}
	for (u32 i = 0; i < h->count && flags; i++) {
		frame_store((u32)(h->page[i] >> PAGE_SHIFT), owner());
		mem_fence();
	}
}

static void map(struct mm *mm, struct hold *h)
{
	(void)h;
	mm_map(mm, some_va(), (1 + sim_choose(2)) * PAGE_SIZE, PROT_WRITE, 0);
}

static void unmap(struct mm *mm, struct hold *h)
{
	(void)h;
	mm_unmap(mm, some_va(), (1 + sim_choose(2)) * PAGE_SIZE);
}

static void protect(struct mm *mm, struct hold *h)
{
	(void)h;
	mm_protect(mm, some_va(), PAGE_SIZE,
		   (const unsigned[]){ 0, PROT_READ, PROT_WRITE }[sim_choose(3)]);
}

static void remap(struct mm *mm, struct hold *h)
{
	(void)h;
	mm_remap(mm, some_va(), PAGE_SIZE, some_va());
}

static void dontneed(struct mm *mm, struct hold *h)
{
	(void)h;
	mm_dontneed(mm, some_va(), PAGE_SIZE);
}

static void copy(struct mm *mm, struct hold *h)
{
	struct mm *child = mm_fork(mm);

	(void)h;
	if (!child)
		return;
	if (sim_choose(2)) {
		u64 v = scene_content(child, VA_A);

		EXPECT(v == ~0ul || is_ours(v));
	}
	mm_put(child);
}

static void kernel_address(struct mm *mm, struct hold *h)
{
	paddr_t page = page_alloc();
	void *va = page ? vmap(&page, 1) : NULL;

	(void)mm;
	(void)h;
	if (va) {
		vunmap(va, 1);
		vmap_flush();
	}
	if (page)
		page_put(page);
}

static void give_way(struct mm *mm, struct hold *h)
{
	(void)mm;
	(void)h;
	exit_reap();
	walk_poll();
	thread_yield();
}

static void at_random(void *arg)
{
	static void (*const calls[])(struct mm * mm, struct hold * h) = {
		store, load,	       pin,	 pin, map, unmap, protect, remap, dontneed,
		copy,  kernel_address, give_way,
	};
	struct mm *mm = sim_thread()->guest.mm;
	struct hold h = { .count = 0 };

	(void)arg;
	for (unsigned i = 0; i < CALLS; i++)
		calls[sim_choose(ARRAY_SIZE(calls))](mm, &h);
	unpin(&h);
}

static struct mm *space(const char *name, u64 content)
{
	struct mm *mm = scene_mm(name);

	scene_map(mm, VA_A, 1 + sim_choose(2), PROT_WRITE);
	scene_touch(mm, VA_A, content);
	scene_map(mm, VA_B, 1, PROT_WRITE);
	if (sim_choose(2))
		scene_touch(mm, VA_B, content);
	return mm;
}

static void set_up(void)
{
	static const char *const schemes[] = { "seq", "seq", "counter", "rcu" };
	static const char *const strategies[] = { "batch", "fullmm", "cr3ref", "detach" };

	EXPECT(!walk_set_scheme(schemes[sim_choose(ARRAY_SIZE(schemes))], false));
	EXPECT(exit_set_strategy(strategies[sim_choose(ARRAY_SIZE(strategies))]));
	a = space("A", 0xa);
	b = space("B", 0xb);
	scene_thread(0, "a0", a, at_random, NULL);
	scene_thread(1, "a1", a, at_random, NULL);
	scene_thread(2, "a2", a, at_random, NULL);
	scene_thread(2, "b2", b, at_random, NULL);
	if (sim_choose(2))
		scene_release(a);
}

static void set_up_posted(void)
{
	ring_open();
	EXPECT(held_set_munmap("posted"));
	set_up();
}

/* Collapse and split beside the rest, which is slow: tables of 512 entries are looked through. */

static void collapse(struct mm *mm, struct hold *h)
{
	(void)h;
	mm_collapse(mm, VA_A);
}

static void at_random_huge(void *arg)
{
	static void (*const calls[])(struct mm * mm, struct hold * h) = {
		store, load, pin, unmap, protect, remap, dontneed, copy, collapse, collapse,
	};
	struct mm *mm = sim_thread()->guest.mm;
	struct hold h = { .count = 0 };

	(void)arg;
	for (unsigned i = 0; i < CALLS - 1; i++)
		calls[sim_choose(ARRAY_SIZE(calls))](mm, &h);
	unpin(&h);
}

static void set_up_huge(void)
{
	a = scene_mm("A");
	EXPECT(mm_map(a, VA_A, LARGE_PAGE_SIZE, PROT_WRITE, sim_choose(2) ? MAP_HUGE : 0) ==
	       (s64)VA_A);
	scene_touch(a, VA_A, 0xa);
	scene_thread(0, "a0", a, at_random_huge, NULL);
	scene_thread(1, "a1", a, at_random_huge, NULL);
}

const struct sim_scenario storm_scenarios[] = {
	{ .name = "storm", .what = "random calls of four threads", .cpus = 3, .setup = set_up },
	{ .name = "storm-huge",
	  .what = "random calls of two threads on a 2 MiB page",
	  .cpus = 2,
	  .setup = set_up_huge },
	{ .name = "storm-posted",
	  .what = "the storm, with munmap posted",
	  .cpus = 3,
	  .flush = "hyperflush",
	  .setup = set_up_posted },
	{ 0 },
};
