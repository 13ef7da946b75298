/* SPDX-License-Identifier: BSD-2-Clause */
/* munmap that posts its flush on a ring: the pages are held until it is complete. */
#include "guest/cpu/memory.h"
#include "guest/mm/exit.h"
#include "guest/mm/fault.h"
#include "guest/mm/fork.h"
#include "guest/mm/held.h"
#include "tests/sim/frames.h"
#include "tests/sim/ring.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

#define OLD   0x100ul
#define CHILD 0xc0ul

static struct mm *a, *b, *child;

/* So many pages from VA_A on; another one keeps their table. */
static void begin(u32 pages)
{
	ring_open();
	EXPECT(held_set_munmap("posted"));
	a = scene_mm("A");
	scene_map(a, VA_A, pages, PROT_WRITE);
	scene_map(a, VA_A + 0x100000, 1, PROT_WRITE);
	scene_touch(a, VA_A + 0x100000, 1);
	for (u32 i = 0; i < pages; i++)
		scene_touch(a, VA_A + i * PAGE_SIZE, OLD);
}

static void announce(void)
{
	mem_store(&scene_word[0], 1);
}

static bool announced(void)
{
	return mem_load(&scene_word[0]);
}

static void unmap(u64 va, u64 pages)
{
	EXPECT(mm_unmap(a, va, pages * PAGE_SIZE) == 0);
}

/* The old page, and what is there when it has been mapped again; nothing between the two. */
static void load_old_or_new(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		bool late = announced(), ok = user_load(VA_A, &v);

		EXPECT(!ok || v == 0 || v == 2 || (v == OLD && !late));
	}
}

static void store_two(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++)
		user_store(VA_A, 2);
}

static void unmap_and_wait(void *arg)
{
	(void)arg;
	unmap(VA_A, 1);
	scene_reuse(2, PAGE_SIZE);
	held_wait(a, VA_A, VA_A + PAGE_SIZE);
	announce();
	scene_reuse(2, PAGE_SIZE);
}

static void load_until_fault(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		bool late = announced(), ok = user_load(VA_A, &v);

		EXPECT(!(late && ok));
	}
}

static void set_up_unmap(void)
{
	begin(1);
	scene_thread(0, "load", a, load_until_fault, NULL);
	scene_thread(1, "unmap", a, unmap_and_wait, NULL);
	scene_thread(2, "store", a, store_two, NULL);
}

/* The new mapping covers the old one, or begins or ends with it. */
static void map_again(void *arg)
{
	u64 before = sim_choose(2) * PAGE_SIZE, after = sim_choose(2) * PAGE_SIZE;

	(void)arg;
	unmap(VA_A, 2);
	unmap(VA_A + 2 * PAGE_SIZE, 1);
	EXPECT(mm_map(a, VA_A + PAGE_SIZE - before, PAGE_SIZE + before + after, PROT_WRITE, 0) > 0);
	EXPECT(user_store(VA_A + PAGE_SIZE, 2));
	if (before)
		EXPECT(user_store(VA_A, 2));
}

static void touch_three(void *arg)
{
	u64 v;

	(void)arg;
	for (u64 i = 0; i < 3; i++) {
		u64 va = VA_A + i * PAGE_SIZE;

		if (sim_choose(2))
			user_store(va + 8, 3);
		else if (user_load(va, &v))
			EXPECT(v == 0 || v == 2 || v == OLD);
	}
}

static void set_up_again(void)
{
	begin(3);
	scene_thread(0, "touch", a, touch_three, NULL);
	scene_thread(1, "map", a, map_again, NULL);
	scene_thread(2, "touch", a, touch_three, NULL);
}

static u64 waited(void)
{
	struct held_counters c;

	held_counters(&c);
	return c.waited;
}

/* There is another gap than the one that was just unmapped, at the end. */
static void map_anywhere(void *arg)
{
	u64 before, at;

	(void)arg;
	unmap(VA_A, 1);
	before = waited();
	at = (u64)mm_map(a, 0, PAGE_SIZE, PROT_WRITE, 0);
	EXPECT(at == VA_A || at == VA_A + 0x101000);
	EXPECT(waited() == before);
	EXPECT(user_store(at, 2));
}

static void set_up_elsewhere(void)
{
	begin(1);
	EXPECT(mm_map(a, USER_MIN, VA_A - USER_MIN, 0, 0) == USER_MIN);
	scene_map(a, VA_A + PAGE_SIZE, 0x100000 / PAGE_SIZE - 1, 0);
	scene_thread(0, "store", a, store_two, NULL);
	scene_thread(1, "map", a, map_anywhere, NULL);
	scene_thread(2, "store", a, store_two, NULL);
}

/* Another mapping comes to the old one's place. */
static void move_there(void *arg)
{
	(void)arg;
	unmap(VA_A, 1);
	EXPECT(mm_remap(a, VA_A + 0x100000, PAGE_SIZE, VA_A) == 0);
	announce();
}

static void load_old_or_moved(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		bool late = announced(), ok = user_load(VA_A, &v);

		EXPECT(!ok || v == 1 || (v == OLD && !late));
	}
}

static void set_up_move(void)
{
	begin(1);
	scene_thread(0, "load", a, load_old_or_moved, NULL);
	scene_thread(1, "move", a, move_there, NULL);
}

/* What DONTNEED says must hold when it returns: it does not post. */
static void dontneed(void *arg)
{
	(void)arg;
	unmap(VA_A + PAGE_SIZE, 1);
	EXPECT(mm_dontneed(a, VA_A, PAGE_SIZE) == 0);
	announce();
	scene_reuse(1, PAGE_SIZE);
}

static void set_up_dontneed(void)
{
	begin(2);
	scene_thread(0, "load", a, load_old_or_new, NULL);
	scene_thread(1, "dontneed", a, dontneed, NULL);
	scene_thread(2, "store", a, store_two, NULL);
}

/* A table goes a moment later, with a page beside it, and must be free at once. */
static void unmap_page_then_table(void *arg)
{
	u64 tables = a->tables;

	(void)arg;
	unmap(VA_A, 1);
	unmap(VA_B - PAGE_SIZE, 2);
	EXPECT(a->tables == tables - 1);
	scene_reuse(6, PAGE_SIZE);
}

static void set_up_table(void)
{
	begin(1);
	scene_map(a, VA_B - PAGE_SIZE, 2, PROT_WRITE);
	scene_touch(a, VA_B - PAGE_SIZE, 1);
	scene_touch(a, VA_B, 1);
	scene_thread(0, "store", a, store_two, NULL);
	scene_thread(1, "unmap", a, unmap_page_then_table, NULL);
	scene_thread(2, "load", a, load_until_fault, NULL);
}

/* The pages come back when there is no memory: a fault gets one of them. */
static void need_memory(void *arg)
{
	(void)arg;
	frames_leave(0);
	unmap(VA_A, 2);
	EXPECT(user_store(VA_A + 0x101000, 2));
}

static void touch_two(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		user_load(VA_A, &v);
		user_store(VA_NEAR, 3);
	}
}

static void set_up_shortage(void)
{
	begin(2);
	scene_map(a, VA_A + 0x101000, 1, PROT_WRITE);
	scene_thread(0, "touch", a, touch_two, NULL);
	scene_thread(1, "need", a, need_memory, NULL);
	scene_thread(2, "touch", a, touch_two, NULL);
}

/* More than is held, and past the end of the ring's indices; from two CPUs' rings. */
#define MANY (HELD_BATCHES + 4u)

static void unmap_half(void *arg)
{
	(void)arg;
	for (u64 i = (u64)arg; i < MANY; i += 2) {
		unmap(VA_A + i * PAGE_SIZE, 1);
		scene_reuse(1, PAGE_SIZE);
	}
}

static void touch_many(void *arg)
{
	(void)arg;
	for (u64 i = 0; i < MANY; i += 3)
		user_store(VA_A + i * PAGE_SIZE, 3);
}

static void set_up_many(void)
{
	begin(MANY);
	scene_thread(0, "unmap", a, unmap_half, (void *)0);
	scene_thread(1, "unmap", a, unmap_half, (void *)1);
	scene_thread(2, "touch", a, touch_many, NULL);
}

/* The mm ends while its pages are held, and another one begins, perhaps in the same frames. */
static void unmap_and_end(void *arg)
{
	(void)arg;
	unmap(VA_A, 1);
}

static void begin_another(void *arg)
{
	struct mm *another = mm_create();
	paddr_t page;

	(void)arg;
	EXPECT(another && mm_map(another, VA_A, PAGE_SIZE, PROT_WRITE, 0) == (s64)VA_A);
	mm_lock(another);
	EXPECT(fault_locked(another, VA_A, ACCESS_WRITE, &page) == 0);
	mm_unlock(another);
	mm_put(another);
	exit_reap();
}

static void set_up_exit(void)
{
	static const char *const strategies[] = { "batch", "fullmm", "cr3ref", "detach" };

	begin(1);
	EXPECT(exit_set_strategy(strategies[sim_choose(ARRAY_SIZE(strategies))]));
	scene_thread(0, "store", a, store_two, NULL);
	scene_thread(1, "unmap", a, unmap_and_end, NULL);
	scene_thread(2, "another", NULL, begin_another, NULL);
	scene_release(a);
}

/* A child shares the page: while the parent may read it, the child's writes go elsewhere. */
static void write_as_child(void *arg)
{
	(void)arg;
	user_store(VA_A, CHILD);
}

static void load_never_child(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 3; i++)
		EXPECT(!user_load(VA_A, &v) || v == OLD);
}

static void set_up_fork(void)
{
	begin(1);
	child = mm_fork(a);
	EXPECT(child);
	oracle_add_mm(child, "C");
	scene_thread(0, "load", a, load_never_child, NULL);
	scene_thread(1, "unmap", a, unmap_and_end, NULL);
	scene_thread(2, "child", child, write_as_child, NULL);
	mm_put(child);
}

static void give_way(void *arg)
{
	(void)arg;
	thread_yield();
}

/* A CPU comes to the mm while its page goes: it is a target or finds the entry cleared. */
static void set_up_join(void)
{
	begin(1);
	scene_thread(0, "unmap", a, unmap_and_wait, NULL);
	scene_thread(1, "other", NULL, give_way, NULL);
	scene_thread(1, "load", a, load_until_fault, NULL);
	scene_thread(2, "other", NULL, give_way, NULL);
	scene_thread(2, "store", a, store_two, NULL);
}

/*
 * A CPU leaves the mm and keeps its translations by PCID. If it is away as the page goes, it
 * is no target, and the host flushes it not: it must not take them back.
 */
static void come_and_go(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		bool late = announced(), ok = user_load(VA_A, &v);

		EXPECT(!ok || (v == OLD && !late));
		thread_yield();
	}
}

static void load_own(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 3; i++) {
		EXPECT(user_load(VA_A, &v) && v == 2);
		thread_yield();
	}
}

static void set_up_return(void)
{
	begin(1);
	b = scene_mm("B");
	scene_map(b, VA_A, 1, PROT_WRITE);
	scene_touch(b, VA_A, 2);
	scene_thread(0, "unmap", a, unmap_and_wait, NULL);
	scene_thread(1, "a1", a, come_and_go, NULL);
	scene_thread(1, "b1", b, load_own, NULL);
	scene_thread(2, "a2", a, come_and_go, NULL);
	scene_thread(2, "b2", b, load_own, NULL);
}

#define RING_SCENARIO(scene, text, count, fn)                                                  \
	{                                                                                      \
		.name = scene, .what = text, .cpus = count, .flush = "hyperflush", .setup = fn \
	}

const struct sim_scenario held_scenarios[] = {
	RING_SCENARIO("held-unmap", "loads and stores against a posted munmap", 3, set_up_unmap),
	RING_SCENARIO("held-again", "what was unmapped is mapped again", 3, set_up_again),
	RING_SCENARIO("held-elsewhere", "a mapping that may be anywhere", 3, set_up_elsewhere),
	RING_SCENARIO("held-move", "mremap to what was unmapped", 2, set_up_move),
	RING_SCENARIO("held-dontneed", "MADV_DONTNEED after a posted munmap", 3, set_up_dontneed),
	RING_SCENARIO("held-table", "a table goes after a page of it", 3, set_up_table),
	RING_SCENARIO("held-shortage", "memory runs out while pages are held", 3, set_up_shortage),
	RING_SCENARIO("held-many", "more munmaps than are held", 3, set_up_many),
	RING_SCENARIO("held-exit", "the mm ends while its pages are held", 3, set_up_exit),
	RING_SCENARIO("held-fork", "a child shares the page that is held", 3, set_up_fork),
	RING_SCENARIO("held-join", "CPUs come to the mm meanwhile", 3, set_up_join),
	{ .name = "held-return",
	  .what = "CPUs come back to it, and have kept translations by PCID",
	  .cpus = 3,
	  .pcids = 2,
	  .flush = "hyperflush",
	  .setup = set_up_return },
	{ 0 },
};
