/* SPDX-License-Identifier: BSD-2-Clause */
/* Context switches against flushes that must find every CPU. */
#include "guest/cpu/memory.h"
#include "guest/mm/gather.h"
#include "guest/mm/switch.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

static struct mm *a, *b;

static void begin(void)
{
	a = scene_mm("A");
	scene_map(a, VA_A, 1, PROT_WRITE);
	scene_touch(a, VA_A, 1);
	scene_map(a, VA_FAR, 1, PROT_WRITE);
	scene_touch(a, VA_FAR, 1);
	b = scene_mm("B");
	scene_map(b, VA_A, 1, PROT_WRITE);
	scene_touch(b, VA_A, 2);
}

static void loads(void *value)
{
	u64 v;

	for (int i = 0; i < 2; i++) {
		if (user_load(VA_A, &v))
			EXPECT(v == (u64)value);
		thread_yield();
	}
}

static void kernel(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		mem_load(&scene_word[0]);
		thread_yield();
	}
}

static void unmap(void *arg)
{
	(void)arg;
	EXPECT(mm_unmap(a, VA_A, PAGE_SIZE) == 0);
	scene_reuse(3, PAGE_SIZE);
	EXPECT(mm_unmap(a, VA_FAR, PAGE_SIZE) == 0);
	scene_reuse(4, PAGE_SIZE);
}

static void set_up_two(void)
{
	begin();
	scene_thread(0, "unmap", a, unmap, NULL);
	scene_thread(1, "a1", a, loads, (void *)1);
	scene_thread(1, "b1", b, loads, (void *)2);
}

static void set_up_lazy(void)
{
	begin();
	scene_thread(0, "unmap", a, unmap, NULL);
	scene_thread(1, "a1", a, loads, (void *)1);
	scene_thread(1, "k1", NULL, kernel, NULL);
	scene_thread(2, "b2", b, loads, (void *)2);
	scene_thread(2, "a2", a, loads, (void *)1);
}

/* A CPU that sleeps has no root of anybody's, and comes back to one. */
static void sleep_and_load(void *value)
{
	while (!mem_load(&scene_word[1]))
		thread_block();
	loads(value);
}

static struct thread *sleeper;

static void unmap_and_wake(void *arg)
{
	EXPECT(mm_unmap(a, VA_A, PAGE_SIZE) == 0);
	mem_store(&scene_word[1], 1);
	thread_wake(sleeper);
	unmap(arg);
}

static void set_up_idle(void)
{
	begin();
	scene_thread(0, "unmap", a, unmap_and_wake, NULL);
	sleeper = &scene_thread(1, "sleeper", a, sleep_and_load, (void *)1)->guest;
}

const struct sim_scenario switch_scenarios[] = {
	{ .name = "switch-two",
	  .what = "a CPU alternates between two mms, one of which is unmapped from",
	  .cpus = 2,
	  .setup = set_up_two },
	{ .name = "switch-lazy",
	  .what = "the same with kernel threads in between",
	  .cpus = 3,
	  .setup = set_up_lazy },
	{ .name = "switch-idle",
	  .what = "a CPU sleeps and comes back",
	  .cpus = 2,
	  .setup = set_up_idle },
	{ 0 },
};
