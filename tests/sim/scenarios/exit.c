/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of an address space that lazy CPUs still have in CR3. */
#include "guest/cpu/memory.h"
#include "guest/mm/exit.h"
#include "guest/mm/gather.h"
#include "guest/mm/switch.h"
#include "guest/mm/vmap.h"
#include "guest/mm/fork.h"
#include "guest/mm/walk.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

static struct mm *a, *b;
static u64 flushes;
static bool reaper;

static u64 flush_count(void)
{
	struct gather_counters c;

	gather_counters(&c);
	return c.flushes;
}

static void user(void *va)
{
	EXPECT(user_store((u64)va, 1));
}

/* Runs on whatever root it finds. */
static void kernel(void *rounds)
{
	for (u64 i = 0; i < (u64)rounds; i++) {
		mem_load(&scene_word[0]);
		thread_yield();
	}
}

/* A kernel thread that flushes its own CPU, on a lazy root. */
static void kernel_flush(void *arg)
{
	paddr_t page = page_alloc();
	void *va;

	(void)arg;
	thread_yield();
	va = vmap(&page, 1);
	EXPECT(va);
	vunmap(va, 1);
	vmap_flush();
	page_put(page);
}

/* Its root and tables may be those of the mm that has just gone. */
static void successor(void *arg)
{
	struct mm *mm = mm_create();
	u64 v;

	(void)arg;
	EXPECT(mm);
	oracle_add_mm(mm, "C");
	mm_use(mm);
	EXPECT(mm_map(mm, VA_A, PAGE_SIZE, PROT_WRITE, 0) == (s64)VA_A);
	EXPECT(user_store(VA_A, 3) && user_load(VA_A, &v) && v == 3);
	mm_disuse();
	mm_put(mm);
}

static void begin(const char *strategy)
{
	EXPECT(exit_set_strategy(strategy));
	a = scene_mm("A");
	scene_map(a, VA_A, 1, PROT_WRITE);
	scene_touch(a, VA_A, 1);
	b = scene_mm("B");
	scene_map(b, VA_A, 1, PROT_WRITE);
	scene_touch(b, VA_A, 2);
	reaper = sim_choose(2);
	if (reaper)
		exit_start_reaper(sim_choose(sim.cpus));
	flushes = flush_count();
}

static void threads(void)
{
	scene_thread(0, "a0", a, user, (void *)VA_A);
	scene_thread(0, "k0", NULL, successor, NULL);
	scene_thread(1, "a1", a, user, (void *)VA_A);
	scene_thread(1, "k1", NULL, sim_choose(2) ? kernel : kernel_flush, (void *)3);
	scene_thread(2, "a2", a, user, (void *)VA_A);
	scene_thread(2, "k2", NULL, kernel, (void *)1);
	scene_thread(2, "b2", b, user, (void *)VA_A);
	scene_release(a);
}

#define STRATEGY(name)                  \
	static void set_up_##name(void) \
	{                               \
		begin(#name);           \
		threads();              \
	}

STRATEGY(batch)
STRATEGY(fullmm)
STRATEGY(cr3ref)
STRATEGY(detach)

/* All CPUs idle. */
static void reaped(void)
{
	EXPECT(!reaper || !exit_pending());
}

static void no_flush(void)
{
	reaped();
	if (flush_count() != flushes)
		sim_fail("I15: %lu flushes at exit", flush_count() - flushes);
}

/* A exits and C does: one flush each, for their one page. */
static void one_flush_each(void)
{
	reaped();
	EXPECT(flush_count() - flushes <= 2);
}

/* Memory is short while CPUs stay lazily on dead roots. */
static void hurry(void *arg)
{
	(void)arg;
	exit_hurry();
	exit_hurry();
}

static void set_up_hurry(const char *strategy)
{
	begin(strategy);
	scene_thread(0, "a0", a, user, (void *)VA_A);
	scene_thread(0, "k0", NULL, hurry, NULL);
	scene_thread(1, "a1", a, user, (void *)VA_A);
	scene_thread(1, "k1", NULL, sim_choose(2) ? kernel : kernel_flush, (void *)4);
	scene_thread(2, "k2", NULL, hurry, NULL);
	scene_thread(2, "b2", b, user, (void *)VA_A);
	scene_release(a);
}

static void set_up_hurry_cr3ref(void)
{
	set_up_hurry("cr3ref");
}

static void set_up_hurry_detach(void)
{
	set_up_hurry("detach");
}

#define NEEDED 8ul /* pages: a fork takes no more */

/* The memory of a dead mm is all there is left: whoever holds or frees it, it can be had. */
static void need_memory(void *arg)
{
	struct exit_counters c;
	struct mm *mm;
	paddr_t page;

	(void)arg;
	do {
		thread_yield();
		exit_counters(&c);
	} while (!c.exits);
	switch (sim_choose(5)) {
	case 0:
		EXPECT(user_store(VA_NEAR, 4));
		break;
	case 1:
		EXPECT(scene_gup(b, VA_NEAR, 1, GUP_WRITE, &page) == 1);
		gup_unpin(&page, 1);
		break;
	case 2:
		mm = mm_create();
		EXPECT(mm);
		mm_put(mm);
		break;
	case 3:
		mm = mm_fork(b);
		EXPECT(mm);
		mm_put(mm);
		break;
	case 4: /* a large page must be split */
		EXPECT(mm_unmap(b, VA_B + PAGE_SIZE, PAGE_SIZE) == 0);
		break;
	}
}

static void set_up_nomem(void)
{
	static const char *const strategies[] = { "batch", "fullmm", "cr3ref", "detach" };

	begin(strategies[sim_choose(ARRAY_SIZE(strategies))]);
	scene_map(a, VA_B, NEEDED, PROT_WRITE);
	for (u64 i = 0; i < NEEDED; i++)
		scene_touch(a, VA_B + i * PAGE_SIZE, 1);
	scene_map(b, VA_NEAR, 1, PROT_WRITE);
	EXPECT(mm_map(b, VA_B, LARGE_PAGE_SIZE, PROT_WRITE, MAP_HUGE) == (s64)VA_B);
	scene_touch(b, VA_B, 1);
	scene_thread(0, "b0", b, need_memory, NULL);
	scene_thread(1, "a1", a, user, (void *)VA_A);
	scene_thread(1, "k1", NULL, kernel, (void *)4);
	scene_thread(2, "a2", a, user, (void *)VA_A);
	scene_thread(2, "k2", NULL, kernel, (void *)4);
	scene_release(a);
	frames_leave(sim_choose(2) * 3ul); /* or what mm_create() takes, and no more */
}

/* No CPU has the root when the last user goes: all is free when mm_put() returns. */
static void come_and_go(void *arg)
{
	u64 used = frames_used();

	for (int i = 0; i < 2; i++) {
		struct mm *mm = mm_create();

		EXPECT(mm);
		mm_use(mm);
		EXPECT(mm_map(mm, VA_A, PAGE_SIZE, PROT_WRITE, 0) == (s64)VA_A);
		EXPECT(user_store(VA_A, (u64)arg));
		mm_put(mm);
		EXPECT(frames_used() == used && !exit_pending() && !walk_backlog());
	}
}

static void set_up_alone(void)
{
	static const char *const schemes[] = { "seq", "counter-xchg", "rcu" };

	EXPECT(!walk_set_scheme(schemes[sim_choose(ARRAY_SIZE(schemes))], false));
	scene_thread(0, "alone", NULL, come_and_go, (void *)1);
}

static u64 exits(void)
{
	struct exit_counters c;

	exit_counters(&c);
	return c.exits;
}

/* A CPU keeps `a` until `b` has begun to go, so that one of them waits at any time. */
static void keep_until_next(void *arg)
{
	(void)arg;
	mm_use(a);
	mm_disuse();
	mem_store(&scene_word[0], 1);
	while (exits() < 2)
		sim_spin();
	exit_leave_root();
	exit_reap();
}

static void end_both(void *arg)
{
	(void)arg;
	while (!mem_load(&scene_word[0]))
		sim_spin();
	mm_put(a);
	mm_put(b);
}

static void look_at_pending(void *arg)
{
	struct exit_counters c;

	(void)arg;
	for (;;) {
		u64 begun = exits();
		u32 pending = exit_pending();

		exit_counters(&c);
		EXPECT(!begun || pending || c.freed == 2);
		if (c.freed == 2)
			return;
		sim_spin();
	}
}

static void set_up_pending(void)
{
	EXPECT(exit_set_strategy("cr3ref"));
	a = mm_create();
	b = mm_create();
	EXPECT(a && b);
	scene_thread(0, "keep", NULL, keep_until_next, NULL);
	scene_thread(1, "end", NULL, end_both, NULL);
	scene_thread(2, "look", NULL, look_at_pending, NULL);
}

const struct sim_scenario exit_scenarios[] = {
	{ .name = "exit-batch",
	  .what = "lazy CPUs against exit, a flush a batch",
	  .cpus = 3,
	  .setup = set_up_batch },
	{ .name = "exit-fullmm",
	  .what = "one flush, then all is freed",
	  .cpus = 3,
	  .setup = set_up_fullmm,
	  .check = one_flush_each },
	{ .name = "exit-cr3ref",
	  .what = "the last CR3 frees",
	  .cpus = 3,
	  .setup = set_up_cr3ref,
	  .check = no_flush },
	{ .name = "exit-detach",
	  .what = "the host moves lazy CPUs",
	  .cpus = 3,
	  .flush = "hyperflush hyperflush ipi",
	  .setup = set_up_detach,
	  .check = no_flush },
	{ .name = "exit-hurry",
	  .what = "exit_hurry() against switches",
	  .cpus = 3,
	  .setup = set_up_hurry_cr3ref },
	{ .name = "exit-nomem",
	  .what = "a fault that needs the memory of a dead mm",
	  .cpus = 3,
	  .setup = set_up_nomem },
	{ .name = "exit-alone",
	  .what = "exits of an mm that no other CPU has",
	  .cpus = 1,
	  .setup = set_up_alone },
	{ .name = "exit-pending",
	  .what = "how many dead ones wait, while they come and go",
	  .cpus = 3,
	  .setup = set_up_pending },
	{ .name = "exit-hurry-detach",
	  .what = "the same, and detach",
	  .cpus = 3,
	  .flush = "hyperflush",
	  .setup = set_up_hurry_detach },
	{ 0 },
};
