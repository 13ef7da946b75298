/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of an address space that lazy CPUs still have in CR3. */
#include "guest/cpu/memory.h"
#include "guest/mm/exit.h"
#include "guest/mm/gather.h"
#include "guest/mm/switch.h"
#include "guest/mm/vmap.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

static struct mm *a, *b;
static u64 flushes;

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
	if (sim_choose(2))
		exit_start_reaper(sim_choose(3));
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

static void no_flush(void)
{
	if (flush_count() != flushes)
		sim_fail("I15: %lu flushes at exit", flush_count() - flushes);
}

/* A exits and C does: one flush each, for their one page. */
static void one_flush_each(void)
{
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

/* The memory of a dead mm is all there is left: whoever holds or frees it, it can be had. */
static void need_memory(void *arg)
{
	struct exit_counters c;
	paddr_t page;

	(void)arg;
	do {
		thread_yield();
		exit_counters(&c);
	} while (!c.exits);
	if (sim_choose(2)) {
		EXPECT(user_store(VA_NEAR, 4));
	} else {
		EXPECT(scene_gup(b, VA_NEAR, 1, GUP_WRITE, &page) == 1);
		gup_unpin(&page, 1);
	}
}

static void set_up_nomem(void)
{
	static const char *const strategies[] = { "batch", "fullmm", "cr3ref", "detach" };

	begin(strategies[sim_choose(ARRAY_SIZE(strategies))]);
	scene_map(b, VA_NEAR, 1, PROT_WRITE);
	scene_thread(0, "b0", b, need_memory, NULL);
	scene_thread(1, "a1", a, user, (void *)VA_A);
	scene_thread(1, "k1", NULL, kernel, (void *)4);
	scene_thread(2, "a2", a, user, (void *)VA_A);
	scene_thread(2, "k2", NULL, kernel, (void *)4);
	scene_release(a);
	frames_leave(0);
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
	{ .name = "exit-hurry-detach",
	  .what = "the same, and detach",
	  .cpus = 3,
	  .flush = "hyperflush",
	  .setup = set_up_hurry_detach },
	{ 0 },
};
