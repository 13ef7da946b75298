/* SPDX-License-Identifier: BSD-2-Clause */
/* Copy-on-write: who shares a page with whom. */
#include "guest/cpu/memory.h"
#include "guest/mm/fork.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

#define OLD 5ul

static struct mm *a, *b;

static void begin(void)
{
	a = scene_mm("A");
	scene_map(a, VA_A, 1, PROT_WRITE);
	scene_touch(a, VA_A, OLD);
}

/* Through a pin and through the mapping one and the same page is reached, whatever fork does. */
static void pin_and_store(void *arg)
{
	paddr_t page;
	u64 v;

	(void)arg;
	EXPECT(scene_gup(a, VA_A, 1, GUP_WRITE, &page) == 1);
	frame_store((u32)(page >> PAGE_SHIFT), 7);
	EXPECT(user_load(VA_A, &v) && v == 7);
	EXPECT(user_store(VA_A, 9));
	EXPECT(frame_load((u32)(page >> PAGE_SHIFT)) == 9);
	gup_unpin(&page, 1);
}

/* The child is as the parent was at some moment of the call, and stays so. */
static void fork_and_look(void *arg)
{
	struct mm *child = mm_fork(a);
	u64 v;

	(void)arg;
	EXPECT(child);
	v = scene_content(child, VA_A);
	while (!mem_load(&scene_word[0]))
		sim_spin();
	EXPECT(scene_content(child, VA_A) == v);
	mm_put(child);
}

static void pin_and_tell(void *arg)
{
	pin_and_store(arg);
	mem_store(&scene_word[0], 1);
	mem_fence();
}

static void set_up_pin(void)
{
	begin();
	scene_thread(0, "pin", a, pin_and_tell, NULL);
	scene_thread(1, "fork", a, fork_and_look, NULL);
}

static void store_and_tell(void *arg)
{
	u64 v;

	(void)arg;
	for (u64 i = 1; i <= 3; i++)
		EXPECT(user_store(VA_A, i) && user_load(VA_A, &v) && v == i);
	mem_store(&scene_word[0], 1);
	mem_fence();
}

static void set_up_store(void)
{
	begin();
	scene_thread(0, "store", a, store_and_tell, NULL);
	scene_thread(1, "fork", a, fork_and_look, NULL);
}

static void last_store(void)
{
	EXPECT(scene_content(a, VA_A) == 3);
}

/* After the fork: threads of one mm see each other's stores, those of the other mm never. */

static void store_one(void *arg)
{
	(void)arg;
	EXPECT(user_store(VA_A, 1));
	mem_store(&scene_word[0], 1);
}

static void load_one(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 2; i++) {
		bool told = mem_load(&scene_word[0]);

		EXPECT(user_load(VA_A, &v));
		EXPECT(v == 1 || (v == OLD && !told));
	}
}

static void store_two(void *arg)
{
	u64 v;

	(void)arg;
	EXPECT(user_load(VA_A, &v) && v == OLD);
	EXPECT(user_store(VA_A, 2));
	EXPECT(user_load(VA_A, &v) && v == 2);
}

static void begin_shared(void)
{
	begin();
	b = mm_fork(a);
	EXPECT(b);
	oracle_add_mm(b, "B");
}

static void set_up_cow(void)
{
	begin_shared();
	scene_thread(0, "store", a, store_one, NULL);
	scene_thread(1, "child", b, store_two, NULL);
	scene_thread(2, "load", a, load_one, NULL);
	scene_release(b);
}

static void parent_has_one(void)
{
	EXPECT(scene_content(a, VA_A) == 1);
}

/* The child's exit makes the parent the only owner. */
static void leave(void *arg)
{
	(void)arg;
}

static void set_up_exit(void)
{
	begin_shared();
	scene_thread(0, "store", a, store_one, NULL);
	scene_thread(1, "child", b, leave, NULL);
	scene_thread(2, "load", a, load_one, NULL);
	scene_release(b);
}

/* Protections of a shared page go down and up again: it stays shared. */
static void protect_and_store(void *arg)
{
	EXPECT(mm_protect(a, VA_A, PAGE_SIZE, PROT_READ) == 0);
	EXPECT(mm_protect(a, VA_A, PAGE_SIZE, PROT_WRITE) == 0);
	store_one(arg);
}

static void load_old(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 3; i++)
		EXPECT(user_load(VA_A, &v) && v == OLD);
}

static void set_up_protect(void)
{
	begin_shared();
	scene_thread(0, "protect", a, protect_and_store, NULL);
	scene_thread(1, "child", b, load_old, NULL);
	scene_thread(2, "load", a, load_one, NULL);
	scene_release(b);
}

/* Pins of a page that the child has too: of the parent's own page, whichever comes first. */
static void pin_shared(void *arg)
{
	paddr_t reader, writer;
	u64 v;

	(void)arg;
	EXPECT(scene_gup(a, VA_A, 1, 0, &reader) == 1);
	v = frame_load((u32)(reader >> PAGE_SHIFT));
	EXPECT(v == OLD || v == 1);
	EXPECT(scene_gup(a, VA_A, 1, GUP_WRITE, &writer) == 1);
	EXPECT(reader == writer);
	frame_store((u32)(writer >> PAGE_SHIFT), 1);
	EXPECT(user_load(VA_A, &v) && v == 1);
	gup_unpin(&writer, 1);
	gup_unpin(&reader, 1);
}

static void set_up_pin_shared(void)
{
	begin_shared();
	scene_thread(0, "pin", a, pin_shared, NULL);
	scene_thread(1, "child", b, store_two, NULL);
	scene_thread(2, "store", a, store_one, NULL);
	scene_release(b);
}

/* A pin for reading sees what the mapping stores later, whoever has shared the page and shares it.
 */
static void pin_to_read(void *arg)
{
	paddr_t page;

	EXPECT(scene_gup(a, VA_A, 1, 0, &page) == 1);
	store_and_tell(arg);
	EXPECT(frame_load((u32)(page >> PAGE_SHIFT)) == 3);
	gup_unpin(&page, 1);
}

/* With a child that has gone, or one that stays. */
static void share(void)
{
	begin_shared();
	if (sim_choose(2)) {
		mm_put(b);
		b = NULL;
	}
}

static void set_up_pin_read(void)
{
	share();
	scene_thread(0, "pin", a, pin_to_read, NULL);
	scene_thread(1, "fork", a, fork_and_look, NULL);
}

static void child_has_old(void)
{
	if (!b)
		return;
	EXPECT(scene_content(b, VA_A) == OLD);
	mm_put(b);
}

static void parent_has_three(void)
{
	last_store();
	child_has_old();
}

/* The permission stays what it was. */
static void pin_unwritable(void *arg)
{
	paddr_t page;

	(void)arg;
	EXPECT(scene_gup(a, VA_A, 1, 0, &page) == 1);
	EXPECT(!user_store(VA_A, 3));
	gup_unpin(&page, 1);
}

static void set_up_pin_unwritable(void)
{
	share();
	EXPECT(mm_protect(a, VA_A, PAGE_SIZE, PROT_READ) == 0);
	scene_thread(0, "pin", a, pin_unwritable, NULL);
	scene_thread(1, "pin", a, pin_unwritable, NULL);
}

const struct sim_scenario fork_scenarios[] = {
	{ .name = "fork-pin",
	  .what = "gup_fast() for writing against fork",
	  .cpus = 2,
	  .setup = set_up_pin },
	{ .name = "fork-store",
	  .what = "stores against fork",
	  .cpus = 2,
	  .setup = set_up_store,
	  .check = last_store },
	{ .name = "fork-cow",
	  .what = "both sides of a fork store, and a third CPU watches",
	  .cpus = 3,
	  .setup = set_up_cow,
	  .check = parent_has_one },
	{ .name = "fork-exit",
	  .what = "the child's exit against the parent's store",
	  .cpus = 3,
	  .setup = set_up_exit,
	  .check = parent_has_one },
	{ .name = "fork-protect",
	  .what = "mprotect of a shared page",
	  .cpus = 3,
	  .setup = set_up_protect,
	  .check = parent_has_one },
	{ .name = "fork-pin-read",
	  .what = "gup_fast() for reading against fork, of a page that is or was shared",
	  .cpus = 2,
	  .setup = set_up_pin_read,
	  .check = parent_has_three },
	{ .name = "fork-pin-unwritable",
	  .what = "the same without the right to write",
	  .cpus = 2,
	  .setup = set_up_pin_unwritable,
	  .check = child_has_old },
	{ .name = "fork-pin-shared",
	  .what = "pins of a shared page",
	  .cpus = 3,
	  .setup = set_up_pin_shared,
	  .check = parent_has_one },
	{ 0 },
};
