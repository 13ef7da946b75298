/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUs that keep translations of address spaces they have left. */
#include "guest/cpu/memory.h"
#include "guest/mm/exit.h"
#include "guest/mm/switch.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

static struct mm *mm[3];

/* Each has a page at VA_A that says whose it is. */
static void begin(unsigned count)
{
	static const char *const names[] = { "A", "B", "C" };

	for (u64 i = 0; i < count; i++) {
		mm[i] = scene_mm(names[i]);
		scene_map(mm[i], VA_A, 1, PROT_READ | PROT_WRITE);
		scene_touch(mm[i], VA_A, i + 1);
	}
}

/* What it reads, if it can, is its own. */
static void come_and_go(void *owner)
{
	u64 v;

	for (unsigned i = 0; i < 3; i++) {
		if (user_load(VA_A, &v))
			EXPECT(v == (u64)owner);
		thread_yield();
	}
}

static void unmap(void *arg)
{
	(void)arg;
	EXPECT(mm_unmap(mm[0], VA_A, PAGE_SIZE) == 0);
	scene_reuse(3, PAGE_SIZE);
	EXPECT(mm_unmap(mm[0], VA_FAR, PAGE_SIZE) == 0);
	scene_reuse(4, PAGE_SIZE);
}

static void map_far(void)
{
	scene_map(mm[0], VA_FAR, 1, PROT_WRITE);
	scene_touch(mm[0], VA_FAR, 1);
}

static void set_up_return(void)
{
	begin(2);
	map_far();
	scene_thread(0, "unmap", mm[0], unmap, NULL);
	scene_thread(1, "a1", mm[0], come_and_go, (void *)1);
	scene_thread(1, "b1", mm[1], come_and_go, (void *)2);
}

/* No page is freed: the old permission alone must go. */
static void protect(void *arg)
{
	(void)arg;
	EXPECT(mm_protect(mm[0], VA_A, PAGE_SIZE, PROT_READ) == 0);
}

static void set_up_protect(void)
{
	begin(2);
	scene_thread(0, "protect", mm[0], protect, NULL);
	scene_thread(1, "a1", mm[0], come_and_go, (void *)1);
	scene_thread(1, "b1", mm[1], come_and_go, (void *)2);
}

/* More address spaces than PCIDs. */
static void set_up_few(void)
{
	begin(3);
	map_far();
	scene_thread(0, "unmap", mm[0], unmap, NULL);
	for (u64 i = 0; i < 3; i++)
		scene_thread(1, "user", mm[i], come_and_go, (void *)(i + 1));
}

/* Address spaces one after the other, at the same address and with the same root. */
static void live_and_die(void *arg)
{
	(void)arg;
	for (u64 i = 3; i < 6; i++) {
		struct mm *own = mm_create();
		u64 v;

		EXPECT(own);
		oracle_add_mm(own, "own");
		mm_use(own);
		EXPECT(mm_map(own, VA_A, PAGE_SIZE, PROT_WRITE, 0) == (s64)VA_A);
		if (sim_choose(2))
			thread_yield();
		EXPECT(user_store(VA_A, i) && user_load(VA_A, &v) && v == i);
		mm_disuse();
		if (sim_choose(2))
			thread_yield();
		mm_put(own);
	}
}

static void set_up_reuse(void)
{
	EXPECT(exit_set_strategy(sim_choose(2) ? "cr3ref" : "detach"));
	begin(1);
	scene_thread(0, "own0", NULL, live_and_die, NULL);
	scene_thread(0, "a0", mm[0], come_and_go, (void *)1);
	scene_thread(1, "own1", NULL, live_and_die, NULL);
	scene_thread(1, "a1", mm[0], come_and_go, (void *)1);
}

const struct sim_scenario pcid_scenarios[] = {
	{ .name = "pcid-return",
	  .what = "a CPU comes back to an mm that was unmapped from meanwhile",
	  .cpus = 2,
	  .pcids = 2,
	  .setup = set_up_return },
	{ .name = "pcid-protect",
	  .what = "the same, and only a permission went",
	  .cpus = 2,
	  .pcids = 2,
	  .setup = set_up_protect },
	{ .name = "pcid-few",
	  .what = "three mms share two PCIDs",
	  .cpus = 2,
	  .pcids = 2,
	  .setup = set_up_few },
	{ .name = "pcid-one",
	  .what = "three mms share one",
	  .cpus = 2,
	  .pcids = 1,
	  .setup = set_up_few },
	{ .name = "pcid-reuse",
	  .what = "an mm in the place of a dead one",
	  .cpus = 2,
	  .pcids = 2,
	  .flush = "ipi hyperflush",
	  .setup = set_up_reuse },
	{ 0 },
};
