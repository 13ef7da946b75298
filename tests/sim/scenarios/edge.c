/* SPDX-License-Identifier: BSD-2-Clause */
/* Where mappings and large pages end, and calls that are refused. */
#include "guest/lib/errno.h"
#include "guest/mm/huge.h"
#include "guest/mm/vma.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"

#define HALF	  (LARGE_PAGE_SIZE / 2)
#define LAST_PAGE (LARGE_PAGE_SIZE - PAGE_SIZE)
#define VA_MOVED  (VA_FAR + PAGE_SIZE) /* a large page cannot lie there */

static struct mm *a;
static u64 last; /* value that user mode has stored at VA_A */

static void map_large(u64 va)
{
	EXPECT(mm_map(a, va, LARGE_PAGE_SIZE, PROT_WRITE, MAP_HUGE) == (s64)va);
	scene_touch(a, va, 0xa);
	scene_touch(a, va + HALF, 0xb);
	scene_touch(a, va + LAST_PAGE, 0xc);
}

static void store_until_fault(void *arg)
{
	(void)arg;
	for (u64 i = 1; i <= 3; i++)
		if (user_store(VA_A, i))
			last = i;
}

static void move(void *arg)
{
	(void)arg;
	EXPECT(mm_remap(a, VA_A, LARGE_PAGE_SIZE, VA_MOVED) == 0);
}

static void set_up_move(void)
{
	a = scene_mm("A");
	map_large(VA_A);
	last = 0xa;
	scene_thread(0, "store", a, store_until_fault, NULL);
	scene_thread(1, "move", a, move, NULL);
}

static void all_moved(void)
{
	EXPECT(scene_content(a, VA_A) == ~0ul);
	EXPECT(scene_content(a, VA_MOVED) == last);
	EXPECT(scene_content(a, VA_MOVED + HALF) == 0xb);
	EXPECT(scene_content(a, VA_MOVED + LAST_PAGE) == 0xc);
	EXPECT(a->mapped == PT_ENTRIES);
}

/* Of two large pages the halves that touch: one range begins within a page, the other ends there.
 */
static void cut(void *arg)
{
	(void)arg;
	EXPECT(mm_unmap(a, VA_A + HALF, HALF) == 0);
	EXPECT(mm_unmap(a, VA_B, HALF) == 0);
}

static void set_up_cut(void)
{
	a = scene_mm("A");
	map_large(VA_A);
	map_large(VA_B);
	last = 0xa;
	scene_thread(0, "store", a, store_until_fault, NULL);
	scene_thread(1, "cut", a, cut, NULL);
}

static void halves_left(void)
{
	EXPECT(last == 3 && scene_content(a, VA_A) == 3);
	EXPECT(scene_content(a, VA_A + HALF) == ~0ul && scene_content(a, VA_B) == ~0ul);
	EXPECT(scene_content(a, VA_B + HALF) == 0xb && scene_content(a, VA_B + LAST_PAGE) == 0xc);
}

/* The mapping ends one page after VA_B: no large page there. */
static void fault_at_end(void *arg)
{
	(void)arg;
	EXPECT(user_store(VA_B, 1));
	EXPECT(!user_store(VA_B + PAGE_SIZE, 1));
}

static void set_up_end(void)
{
	a = scene_mm("A");
	EXPECT(mm_map(a, VA_A, LARGE_PAGE_SIZE + PAGE_SIZE, PROT_WRITE, MAP_HUGE) == (s64)VA_A);
	scene_thread(0, "fault", a, fault_at_end, NULL);
}

/* Nobody sees what the block held before. */
static void fault_in(void *own)
{
	u64 other = VA_A + VA_NEAR - (u64)own, v;

	EXPECT(user_store((u64)own, 1));
	EXPECT(user_load(other, &v) && v <= 1);
	EXPECT(user_load(VA_NEAR + PAGE_SIZE, &v) && v == 0);
}

static void set_up_fault(void)
{
	paddr_t block = (paddr_t)FRAMES_SMALL << PAGE_SHIFT; /* the first to be given out */

	for (u64 i = 0; i < 3; i++)
		*(u64 *)sim_phys_to_virt(block + i * PAGE_SIZE) = 0xbad;
	a = scene_mm("A");
	EXPECT(mm_map(a, VA_A, LARGE_PAGE_SIZE, PROT_WRITE, MAP_HUGE) == (s64)VA_A);
	scene_thread(0, "fault", a, fault_in, (void *)VA_A);
	scene_thread(1, "fault", a, fault_in, (void *)VA_NEAR);
}

/* A page that nobody may write to loses one permission after the other. */
static void protect(void *arg)
{
	(void)arg;
	EXPECT(mm_protect(a, VA_A, PAGE_SIZE, PROT_READ) == 0);
	EXPECT(mm_protect(a, VA_A, PAGE_SIZE, 0) == 0);
}

static void load(void *arg)
{
	u64 v;

	(void)arg;
	for (int i = 0; i < 3; i++)
		user_load(VA_A, &v);
}

static void set_up_protect(void)
{
	a = scene_mm("A");
	scene_map(a, VA_A, 1, PROT_READ | PROT_EXEC);
	EXPECT(scene_content(a, VA_A) == 0);
	scene_thread(0, "load", a, load, NULL);
	scene_thread(1, "protect", a, protect, NULL);
}

static void be_refused(void *arg)
{
	paddr_t page;

	(void)arg;
	EXPECT(gup_fast(a, VA_A + 8, 1, 0, &page) == -EINVAL);
	EXPECT(gup_fast(a, VA_A, 0, 0, &page) == -EINVAL);
	EXPECT(gup_fast(a, USER_END, 1, 0, &page) == -EINVAL);
	EXPECT(gup_fast(a, USER_END - PAGE_SIZE, 2, 0, &page) == -EINVAL);
	EXPECT(mm_unmap(a, VA_A + 8, PAGE_SIZE) == -EINVAL);
	EXPECT(mm_unmap(a, USER_MAX - PAGE_SIZE, 2 * PAGE_SIZE) == -EINVAL);
	EXPECT(mm_unmap(a, VA_A, -VA_A + 2 * PAGE_SIZE) == -EINVAL); /* wraps */
	EXPECT(mm_protect(a, VA_A, PAGE_SIZE, 8) == -EINVAL);
	EXPECT(mm_remap(a, VA_A, PAGE_SIZE, USER_MAX) == -EINVAL);
	EXPECT(mm_map(a, VA_A, PAGE_SIZE, PROT_READ, 0) == -EINVAL);
	EXPECT(mm_collapse(a, VA_A) == -EINVAL);
	EXPECT(mm_collapse(a, VA_B) == -EINVAL);
	EXPECT(a->nr_vmas == 1 && a->mapped == 1);
	EXPECT(scene_content(a, VA_A) == 7);
}

static void set_up_refused(void)
{
	a = scene_mm("A");
	scene_map(a, VA_A, 1, PROT_WRITE);
	scene_touch(a, VA_A, 7);
	scene_thread(0, "refused", a, be_refused, NULL);
}

const struct sim_scenario edge_scenarios[] = {
	{ .name = "edge-move",
	  .what = "mremap of a large page to where none can lie",
	  .cpus = 2,
	  .setup = set_up_move,
	  .check = all_moved },
	{ .name = "edge-cut",
	  .what = "munmap of halves of large pages",
	  .cpus = 2,
	  .setup = set_up_cut,
	  .check = halves_left },
	{ .name = "edge-end",
	  .what = "faults where a mapping ends",
	  .cpus = 1,
	  .setup = set_up_end },
	{ .name = "edge-fault",
	  .what = "faults of two CPUs on one large page",
	  .cpus = 2,
	  .setup = set_up_fault },
	{ .name = "edge-protect",
	  .what = "mprotect of a page that may be executed",
	  .cpus = 2,
	  .setup = set_up_protect },
	{ .name = "edge-refused",
	  .what = "calls with arguments that no call takes",
	  .cpus = 1,
	  .setup = set_up_refused },
	{ 0 },
};
