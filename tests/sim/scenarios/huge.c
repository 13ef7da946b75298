/* SPDX-License-Identifier: BSD-2-Clause */
/* 2 MiB pages: made of small ones, and made small again. */
#include "guest/cpu/memory.h"
#include "guest/lib/errno.h"
#include "guest/mm/fork.h"
#include "guest/mm/huge.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

static struct mm *a;
static paddr_t bait;

static void begin(unsigned flags)
{
	a = scene_mm("A");
	EXPECT(mm_map(a, VA_A, LARGE_PAGE_SIZE, PROT_WRITE, flags) == (s64)VA_A);
	scene_touch(a, VA_A, 0xa);
	scene_touch(a, VA_NEAR, 0xb);
	bait = page_alloc();
	page_put(bait);
}

static void collapse(void *arg)
{
	int r = mm_collapse(a, VA_A);

	(void)arg;
	EXPECT(r == 0 || r == -EAGAIN);
	if (!r)
		scene_reuse(3, bait);
}

static void pin_and_share(void *arg)
{
	paddr_t page;
	u64 v;

	(void)arg;
	if (scene_gup_only(a, VA_A, 1, GUP_WRITE, &page) != 1)
		EXPECT(scene_gup(a, VA_A, 1, GUP_WRITE, &page) == 1);
	EXPECT(frame_load((u32)(page >> PAGE_SHIFT)) == 0xa);
	EXPECT(user_store(VA_A, 9));
	mem_fence();
	EXPECT(frame_load((u32)(page >> PAGE_SHIFT)) == 9);
	frame_store((u32)(page >> PAGE_SHIFT), 11);
	EXPECT(user_load(VA_A, &v) && v == 11);
	gup_unpin(&page, 1);
}

/* No CPU has the root of `a`, so nobody is flushed; the pin stays until the collapse is over. */
static void pin_from_apart(void *arg)
{
	paddr_t page;
	u32 n = scene_gup_only(a, VA_A, 1, GUP_WRITE, &page);

	(void)arg;
	if (!n)
		return;
	frame_store((u32)(page >> PAGE_SHIFT), 11);
	while (!mem_load(&scene_word[0]))
		sim_spin();
	EXPECT(scene_content(a, VA_A) == 11);
	gup_unpin(&page, 1);
}

static void collapse_from_apart(void *arg)
{
	int r = mm_collapse(a, VA_A);

	(void)arg;
	EXPECT(r == 0 || r == -EAGAIN);
	mem_store(&scene_word[0], 1);
	mem_fence();
}

static void set_up_collapse_apart(void)
{
	begin(0);
	scene_thread(0, "pin", NULL, pin_from_apart, NULL);
	scene_thread(1, "collapse", NULL, collapse_from_apart, NULL);
}

static void store(void *va)
{
	u64 v;

	for (u64 i = 1; i <= 3; i++)
		EXPECT(user_store((u64)va, i) && user_load((u64)va, &v) && v == i);
}

static void set_up_collapse_pin(void)
{
	begin(0);
	scene_thread(0, "pin", a, pin_and_share, NULL);
	scene_thread(1, "collapse", a, collapse, NULL);
}

static void set_up_collapse_store(void)
{
	begin(0);
	scene_thread(0, "store", a, store, (void *)VA_A);
	scene_thread(1, "collapse", a, collapse, NULL);
	scene_thread(2, "store", a, store, (void *)VA_NEAR);
}

static void both_stored(void)
{
	EXPECT(scene_content(a, VA_A) == 3 && scene_content(a, VA_NEAR) == 3);
	EXPECT(scene_content(a, VA_NEAR + PAGE_SIZE) == 0);
}

/* Collapse, then the end of the mapping: dirty bits of both kinds of page. */
static void set_up_split(void)
{
	begin(MAP_HUGE);
}

static void unmap_near(void *arg)
{
	(void)arg;
	EXPECT(mm_unmap(a, VA_NEAR, PAGE_SIZE) == 0);
	mem_store(&scene_word[0], 1);
	scene_reuse(2, bait);
}

static void pin_two(void *arg)
{
	paddr_t pages[2];
	u32 n = scene_gup_only(a, VA_A, 2, GUP_WRITE, pages);

	(void)arg;
	if (n > 0)
		EXPECT(frame_load((u32)(pages[0] >> PAGE_SHIFT)) == 0xa);
	if (n > 1)
		EXPECT(frame_load((u32)(pages[1] >> PAGE_SHIFT)) == 0xb);
	gup_unpin(pages, n);
}

static void set_up_split_pin(void)
{
	set_up_split();
	scene_thread(0, "pin", a, pin_two, NULL);
	scene_thread(1, "unmap", a, unmap_near, NULL);
}

static void store_near(void *arg)
{
	(void)arg;
	for (u64 i = 1; i <= 2; i++) {
		bool late = mem_load(&scene_word[0]), ok = user_store(VA_NEAR, i);

		EXPECT(!(late && ok));
	}
}

static void set_up_split_store(void)
{
	set_up_split();
	scene_thread(0, "store", a, store, (void *)VA_A);
	scene_thread(1, "unmap", a, unmap_near, NULL);
	scene_thread(2, "store", a, store_near, NULL);
}

static void one_stored(void)
{
	EXPECT(scene_content(a, VA_A) == 3 && scene_content(a, VA_NEAR) == ~0ul);
}

/* The block is freed, and its first frames given out as small pages. */
static void free_block(void *arg)
{
	(void)arg;
	EXPECT(mm_unmap(a, VA_A, LARGE_PAGE_SIZE) == 0);
	for (int i = 0; i < 2; i++) {
		paddr_t first = page_alloc(), second = page_alloc();

		page_put(first);
		page_put(second);
	}
}

static void pin_near(void *arg)
{
	paddr_t page;

	(void)arg;
	for (int i = 0; i < 2; i++)
		if (scene_gup_only(a, VA_NEAR, 1, GUP_WRITE, &page)) {
			EXPECT(frame_load((u32)(page >> PAGE_SHIFT)) == 0xb);
			gup_unpin(&page, 1);
		}
}

static void set_up_free_pin(void)
{
	set_up_split();
	scene_thread(0, "pin", a, pin_near, NULL);
	scene_thread(1, "unmap", a, free_block, NULL);
}

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
	pin_and_share(arg);
	mem_store(&scene_word[0], 1);
	mem_fence();
}

static void set_up_fork(void)
{
	set_up_split();
	scene_thread(0, "pin", a, pin_and_tell, NULL);
	scene_thread(1, "fork", a, fork_and_look, NULL);
}

/* A gup_fast() that will fail: it saw the page in an entry that is another one by now. */
static void reference(void *frame)
{
	paddr_t page = (paddr_t)frame;

	for (int i = 0; i < 2; i++)
		if (page_try_get(page))
			page_put(page);
}

/* The child is gone: the large page has one owner, but for such references. */
static void set_up_cow_pin(void)
{
	struct mm *child;
	paddr_t block;

	begin(MAP_HUGE);
	block = (paddr_t)scene_touch(a, VA_A, 0xa) << PAGE_SHIFT;
	child = mm_fork(a);
	EXPECT(child);
	mm_put(child);
	scene_thread(0, "store", a, store, (void *)VA_A);
	scene_thread(1, "refer", a, reference, (void *)(block + PAGE_SIZE));
}

static void stored_and_kept(void)
{
	EXPECT(scene_content(a, VA_A) == 3 && scene_content(a, VA_NEAR) == 0xb);
}

const struct sim_scenario huge_scenarios[] = {
	{ .name = "huge-collapse-pin",
	  .what = "gup_fast() against collapse",
	  .cpus = 2,
	  .setup = set_up_collapse_pin },
	{ .name = "huge-collapse-apart",
	  .what = "the same by threads that do not run the address space",
	  .cpus = 2,
	  .setup = set_up_collapse_apart },
	{ .name = "huge-collapse-store",
	  .what = "stores against collapse",
	  .cpus = 3,
	  .setup = set_up_collapse_store,
	  .check = both_stored },
	{ .name = "huge-split-pin",
	  .what = "gup_fast() against munmap of a part",
	  .cpus = 2,
	  .setup = set_up_split_pin },
	{ .name = "huge-split-store",
	  .what = "stores against munmap of a part",
	  .cpus = 3,
	  .setup = set_up_split_store,
	  .check = one_stored },
	{ .name = "huge-free-pin",
	  .what = "gup_fast() against munmap of the whole, whose frames become small pages",
	  .cpus = 2,
	  .setup = set_up_free_pin },
	{ .name = "huge-fork",
	  .what = "gup_fast() and stores against fork of a large page",
	  .cpus = 2,
	  .setup = set_up_fork },
	{ .name = "huge-cow-pin",
	  .what = "a store to a large page that a child has shared, against references",
	  .cpus = 2,
	  .setup = set_up_cow_pin,
	  .check = stored_and_kept },
	{ 0 },
};
