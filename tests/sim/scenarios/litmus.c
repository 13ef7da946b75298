/* SPDX-License-Identifier: BSD-2-Clause */
/* The simulator itself: what x86-TSO allows and forbids. */
#include "guest/cpu/memory.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"

static u64 x, y, seen_x, seen_y;

static void zero(void)
{
	x = y = seen_x = seen_y = 0;
}

/* Each of two CPUs stores one word and loads the other. */

static void store_x(void *fenced)
{
	mem_store(&x, 1);
	if (fenced)
		mem_fence();
	seen_y = mem_load(&y);
}

static void store_y(void *fenced)
{
	mem_store(&y, 1);
	if (fenced)
		mem_fence();
	seen_x = mem_load(&x);
}

static void set_up_sb(void)
{
	zero();
	scene_thread(0, "x", NULL, store_x, NULL);
	scene_thread(1, "y", NULL, store_y, NULL);
}

static void set_up_sb_fence(void)
{
	zero();
	scene_thread(0, "x", NULL, store_x, &x);
	scene_thread(1, "y", NULL, store_y, &x);
}

static void one_is_seen(void)
{
	if (!seen_x && !seen_y)
		sim_fail("both loads ran before both stores");
}

/* Data, then a flag: loads and stores stay in order. */

static void send(void *arg)
{
	(void)arg;
	mem_store(&x, 1);
	mem_store(&y, 1);
}

static void receive(void *arg)
{
	(void)arg;
	seen_y = mem_load(&y);
	seen_x = mem_load(&x);
}

static void set_up_mp(void)
{
	zero();
	scene_thread(0, "send", NULL, send, NULL);
	scene_thread(1, "receive", NULL, receive, NULL);
}

static void data_before_flag(void)
{
	if (seen_y && !seen_x)
		sim_fail("the flag is seen before the data");
}

/* Locked additions do not get lost. */

static void add(void *arg)
{
	(void)arg;
	mem_add(&x, 1);
	mem_fetch_add(&x, 1);
}

static void set_up_add(void)
{
	zero();
	scene_thread(0, "add", NULL, add, NULL);
	scene_thread(1, "add", NULL, add, NULL);
}

static void sum(void)
{
	EXPECT(x == 4);
}

/* An IPI-flush waits for a CPU with interrupts off; a deadlock is found as such. */

static void take_two(void *order)
{
	static struct spinlock a, b;
	struct spinlock *first = order ? &a : &b, *second = order ? &b : &a;

	spin_lock(first);
	spin_lock(second);
	spin_unlock(second);
	spin_unlock(first);
}

static void set_up_deadlock(void)
{
	scene_thread(0, "ab", NULL, take_two, &x);
	scene_thread(1, "ba", NULL, take_two, NULL);
}

const struct sim_scenario litmus_scenarios[] = {
	{ .name = "litmus-sb",
	  .what = "store, then load of the other word",
	  .cpus = 2,
	  .flush = "none",
	  .setup = set_up_sb,
	  .check = one_is_seen,
	  .fails = "both loads",
	  .search = 3 },
	{ .name = "litmus-sb-fence",
	  .what = "the same with fences",
	  .cpus = 2,
	  .flush = "none",
	  .setup = set_up_sb_fence,
	  .check = one_is_seen,
	  .search = 4 },
	{ .name = "litmus-mp",
	  .what = "data, then a flag",
	  .cpus = 2,
	  .flush = "none",
	  .setup = set_up_mp,
	  .check = data_before_flag,
	  .search = 4 },
	{ .name = "litmus-add",
	  .what = "locked additions",
	  .cpus = 2,
	  .flush = "none",
	  .setup = set_up_add,
	  .check = sum,
	  .search = 4 },
	{ .name = "litmus-deadlock",
	  .what = "two locks in two orders",
	  .cpus = 2,
	  .flush = "none",
	  .setup = set_up_deadlock,
	  .fails = "deadlock",
	  .search = 3 },
	{ 0 },
};
