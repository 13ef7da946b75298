/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/mm/page.c: blocks are split and joined while readers try to reference any frame. */
#include "guest/cpu/memory.h"
#include "guest/mm/page.h"
#include "tests/sim/buddy.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

static paddr_t block, second; /* of two frames, and the second of them */
static u64 all;

static paddr_t held; /* a block of two frames, at first that one */

/* The two frames are one block, then two, then one again; if a reader keeps it, two others are. */
static void split_and_join(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++) {
		paddr_t one, two;

		buddy_put(held);
		one = buddy_alloc_order(0);
		two = buddy_alloc_order(0);
		EXPECT(one != PADDR_NONE && two != PADDR_NONE && one != two);
		buddy_put(one);
		buddy_put(two);
		held = buddy_alloc_order(1);
		EXPECT(held != PADDR_NONE);
	}
}

/* A reference is to the block in which the frame lies, and keeps it. */
static void reference(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++) {
		paddr_t head;

		schedule_focus(12);
		if (!buddy_try_get(second))
			continue;
		head = buddy_block(second);
		EXPECT(buddy_refs(second) > 0);
		EXPECT(buddy_block(second) == head);
		buddy_put(second);
	}
}

static void allocate(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++) {
		paddr_t pa = buddy_alloc_order(0);

		EXPECT(pa != PADDR_NONE && pa != block && pa != second);
		buddy_put(pa);
	}
}

#define FILLERS 4u

static paddr_t filler[FILLERS], neighbour;
static unsigned fillers;

/* A block of two frames whose neighbour is in use, while no single frame is free. */
static void pick_block(void)
{
	all = buddy_free_count();
	fillers = 0;
	while ((block = buddy_alloc_order(0)) % (2 * PAGE_SIZE)) {
		EXPECT(fillers < FILLERS);
		filler[fillers++] = block;
	}
	second = buddy_alloc_order(0);
	neighbour = buddy_alloc_order(1);
	EXPECT(second == block + PAGE_SIZE && neighbour == second + PAGE_SIZE);
	buddy_put(block);
	buddy_put(second);
	held = buddy_alloc_order(1);
	EXPECT(held == block);
}

static void nothing_lost(void)
{
	while (fillers)
		buddy_put(filler[--fillers]);
	EXPECT(buddy_refs(held) == 1);
	buddy_put(neighbour);
	buddy_put(held);
	EXPECT(buddy_free_count() == all);
}

static void set_up(void)
{
	buddy_init();
	pick_block();
	scene_thread(0, "split", NULL, split_and_join, NULL);
	scene_thread(1, "try", NULL, reference, NULL);
}

/* What one thread gives back another may get. */
static void trade(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 3; i++) {
		paddr_t pa = buddy_alloc_order(sim_choose(3));

		EXPECT(pa != PADDR_NONE && buddy_refs(pa) >= 1 && buddy_block(pa) == pa);
		buddy_put(pa);
	}
}

static void set_up_trade(void)
{
	buddy_init();
	pick_block();
	scene_thread(0, "trade", NULL, trade, NULL);
	scene_thread(1, "trade", NULL, trade, NULL);
	scene_thread(2, "allocate", NULL, allocate, NULL);
}

const struct sim_scenario page_scenarios[] = {
	{ .name = "page-split",
	  .what = "a reference to a frame whose block is split and joined",
	  .cpus = 2,
	  .flush = "none",
	  .setup = set_up,
	  .check = nothing_lost },
	{ .name = "page-trade",
	  .what = "three CPUs trade blocks",
	  .cpus = 3,
	  .flush = "none",
	  .setup = set_up_trade,
	  .check = nothing_lost },
	{ 0 },
};
