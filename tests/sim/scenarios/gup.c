/* SPDX-License-Identifier: BSD-2-Clause */
/* gup_fast() against everything that takes its pages and tables away. */
#include "guest/cpu/memory.h"
#include "guest/lib/errno.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

#define TAG 0x600d0000ul

static struct mm *a, *b;
static paddr_t bait;
static bool may_be_zero; /* a page that was mapped anew */

static u64 tag(u64 va)
{
	return TAG + (va >> PAGE_SHIFT);
}

/* The page is the caller's to write until the reference goes. */
static void use(const paddr_t *pages, u32 n, u64 va)
{
	for (u32 i = 0; i < n; i++) {
		u32 frame = (u32)(pages[i] >> PAGE_SHIFT);
		u64 v = frame_load(frame);

		EXPECT(v == tag(va + i * PAGE_SIZE) || (may_be_zero && v == 0));
		frame_store(frame, v);
		mem_fence();
	}
	gup_unpin(pages, n);
}

static void pin_only(void *va)
{
	paddr_t pages[2] = { 0 };

	for (int round = 0; round < 2; round++)
		use(pages, scene_gup_only(a, (u64)va, 1, GUP_WRITE, pages), (u64)va);
}

static void pin_two(void *va)
{
	paddr_t pages[2] = { 0 };

	use(pages, scene_gup_only(a, (u64)va, 2, 0, pages), (u64)va);
}

static void pin(void *va)
{
	paddr_t pages[2] = { 0 };
	s64 n = scene_gup(a, (u64)va, 1, GUP_WRITE, pages);

	if (n > 0)
		use(pages, (u32)n, (u64)va);
	else
		EXPECT(n == -EFAULT);
}

static void unmap(void *va)
{
	EXPECT(mm_unmap(a, (u64)va, PAGE_SIZE) == 0);
	scene_reuse(4, bait);
}

static void unmap_two(void *va)
{
	EXPECT(mm_unmap(a, (u64)va, 2 * PAGE_SIZE) == 0);
	scene_reuse(5, bait);
}

/* Somebody else's process, whose tables and pages are those just freed. */
static void trade_there(void *va)
{
	u64 v = 0;

	for (int round = 0; round < 2; round++) {
		EXPECT(mm_map(b, (u64)va, PAGE_SIZE, PROT_WRITE, 0) == (s64)(u64)va);
		EXPECT(user_store((u64)va, 0xb));
		EXPECT(user_load((u64)va, &v) && v == 0xb);
		EXPECT(mm_unmap(b, (u64)va, PAGE_SIZE) == 0);
	}
}

static void trade_here(void *va)
{
	for (int round = 0; round < 2; round++) {
		EXPECT(mm_unmap(a, (u64)va, PAGE_SIZE) == 0);
		EXPECT(mm_map(a, (u64)va, PAGE_SIZE, PROT_WRITE, 0) == (s64)(u64)va);
		EXPECT(user_store((u64)va, tag((u64)va)));
	}
}

/*
 * Another process gets the page while the reader has only seen its entry, and the
 * table once the reader has the page. It maps the page by a like entry at the same place.
 */
static u32 swapped; /* the page */

static void tell(unsigned phase)
{
	mem_store(&scene_word[phase], 1);
	mem_fence();
}

/* Neither takes steps meanwhile. */
static void await(unsigned phase)
{
	while (!scene_word[phase])
		threads_wait(&scene_word[phase]);
}

static void await_reference(u32 frame)
{
	const u32 *refs = &page_of((paddr_t)frame << PAGE_SHIFT)->refs;

	while (*refs < 2 && !scene_word[4])
		threads_wait(refs);
}

static void pin_swapped(void *va)
{
	paddr_t page = PADDR_NONE;

	tell(3);
	use(&page, scene_gup_only(a, (u64)va, 1, GUP_WRITE, &page), (u64)va);
	scene_word[4] = 1;
	threads_notify(&page_of((paddr_t)swapped << PAGE_SHIFT)->refs);
}

/* It lets the reader go on before each of its two calls. */
static void empty_then_unmap(void *va)
{
	await(3);
	sim_spin();
	EXPECT(mm_dontneed(a, (u64)va, PAGE_SIZE) == 0);
	tell(0);
	await(1);
	await_reference(swapped);
	sim_spin();
	EXPECT(mm_unmap(a, (u64)va, PAGE_SIZE) == 0);
	tell(2);
}

static void take_page_then_table(void *va)
{
	await(0);
	EXPECT(user_store((u64)va, 0xb));
	tell(1);
	await(2);
	EXPECT(mm_remap(b, (u64)va, PAGE_SIZE, (u64)va + LARGE_PAGE_SIZE) == 0);
}

static void protect(void *va)
{
	EXPECT(mm_protect(a, (u64)va, PAGE_SIZE, PROT_READ) == 0);
	mem_store(&scene_word[0], 1);
	EXPECT(mm_protect(a, (u64)va, PAGE_SIZE, PROT_WRITE) == 0);
}

static void remap(void *va)
{
	EXPECT(mm_remap(a, (u64)va, PAGE_SIZE, VA_FAR) == 0);
	scene_reuse(3, bait);
}

static void dontneed(void *va)
{
	EXPECT(mm_dontneed(a, (u64)va, PAGE_SIZE) == 0);
	scene_reuse(1, bait);
}

static void begin(void)
{
	may_be_zero = false;
	a = scene_mm("A");
	scene_map(a, VA_A, 1, PROT_WRITE);
	scene_touch(a, VA_A, tag(VA_A));
	bait = page_alloc();
}

static void end(void)
{
	page_put(bait); /* free, and below all that the tables' users get */
}

static void readers(void (*body)(void *va), u64 va)
{
	scene_thread(0, "pin", a, body, (void *)va);
}

/* What was not unmapped is there. */
static void first_stays(void)
{
	EXPECT(scene_content(a, VA_A) == tag(VA_A));
}

static void set_up_unmap(void)
{
	begin();
	readers(pin_only, VA_A);
	scene_thread(1, "unmap", a, unmap, (void *)VA_A);
	end();
}

static void set_up_near(void)
{
	begin();
	scene_map(a, VA_NEAR, 1, PROT_WRITE);
	scene_touch(a, VA_NEAR, tag(VA_NEAR));
	readers(pin_two, VA_A);
	scene_thread(1, "unmap", a, unmap, (void *)VA_NEAR);
	end();
}

/* Part of the tables stays: level 2 goes for VA_FAR, level 3 stays for VA_A. */
static void set_up_levels(void)
{
	begin();
	scene_map(a, VA_FAR, 1, PROT_WRITE);
	scene_touch(a, VA_FAR, tag(VA_FAR));
	readers(pin_only, VA_FAR);
	scene_thread(1, "unmap", a, unmap, (void *)VA_FAR);
	end();
}

static void set_up_span(void)
{
	const u64 va = VA_B - PAGE_SIZE;

	begin();
	scene_map(a, va, 2, PROT_WRITE);
	scene_touch(a, va, tag(va));
	scene_touch(a, VA_B, tag(VA_B));
	readers(pin_two, va);
	scene_thread(1, "unmap", a, unmap_two, (void *)va);
	end();
}

static void set_up_trade(void)
{
	begin();
	may_be_zero = true;
	b = scene_mm("B");
	readers(pin_only, VA_A);
	scene_thread(1, "here", a, trade_here, (void *)VA_A);
	scene_thread(2, "there", b, trade_there, (void *)VA_A);
	end();
}

static void set_up_swap(void)
{
	begin();
	scene_map(a, VA_B, 1, PROT_WRITE); /* keeps the upper tables */
	scene_touch(a, VA_B, tag(VA_B));
	b = scene_mm("B");
	scene_map(b, VA_A, 2, PROT_WRITE);
	scene_touch(b, VA_NEAR, 0xb);
	swapped = scene_touch(a, VA_A, tag(VA_A));
	readers(pin_swapped, VA_A);
	scene_thread(1, "here", a, empty_then_unmap, (void *)VA_A);
	scene_thread(2, "there", b, take_page_then_table, (void *)VA_A);
	end();
}

static void set_up_slow(void)
{
	begin();
	readers(pin, VA_A);
	scene_thread(1, "unmap", a, unmap, (void *)VA_A);
	scene_thread(2, "pin", a, pin, (void *)VA_A);
	end();
}

static void set_up_against(void (*body)(void *va))
{
	begin();
	may_be_zero = true;
	readers(pin_only, VA_A);
	scene_thread(1, "change", a, body, (void *)VA_A);
	scene_thread(2, "pin", a, pin, (void *)VA_A);
	end();
}

/* A pin for writing and the mapping stay one page, whatever happens to the protection. */
static void pin_and_store(void *va)
{
	paddr_t page = PADDR_NONE;

	if (scene_gup(a, (u64)va, 1, GUP_WRITE, &page) != 1)
		return;
	while (!user_store((u64)va, tag((u64)va) + 1))
		thread_yield();
	mem_fence();
	EXPECT(frame_load((u32)(page >> PAGE_SHIFT)) == tag((u64)va) + 1);
	bool writable_again = mem_load(&scene_word[1]);

	EXPECT(user_store((u64)va, tag((u64)va)) || !writable_again);
	gup_unpin(&page, 1);
}

static void protect_and_back(void *va)
{
	protect(va);
	mem_store(&scene_word[1], 1);
}

static void set_up_protect(void)
{
	begin();
	if (sim_choose(2)) {
		readers(pin_only, VA_A);
		scene_thread(1, "change", a, protect, (void *)VA_A);
	} else {
		readers(pin_and_store, VA_A);
		scene_thread(1, "change", a, protect_and_back, (void *)VA_A);
	}
	end();
}

static void set_up_remap(void)
{
	set_up_against(remap);
}

static void set_up_dontneed(void)
{
	set_up_against(dontneed);
}

/* Hardware sets accessed and dirty bits; the reader must not care. */
static void touch(void *va)
{
	for (int i = 0; i < 3; i++)
		EXPECT(user_store((u64)va, tag((u64)va)));
}

static void pin_always(void *va)
{
	paddr_t page = PADDR_NONE;

	for (int round = 0; round < 2; round++) {
		EXPECT(scene_gup_only(a, (u64)va, 1, GUP_WRITE, &page) == 1);
		use(&page, 1, (u64)va);
	}
}

static void set_up_bits(void)
{
	begin();
	readers(pin_always, VA_A);
	scene_thread(1, "touch", a, touch, (void *)VA_A);
	end();
}

const struct sim_scenario gup_scenarios[] = {
	{ .name = "gup-unmap",
	  .what = "the whole branch of tables is freed and reused at once",
	  .cpus = 2,
	  .setup = set_up_unmap,
	  .search = 2,
	  .quiet = true },
	{ .name = "gup-near",
	  .what = "one entry of a table that stays",
	  .cpus = 2,
	  .setup = set_up_near,
	  .check = first_stays,
	  .search = 2,
	  .quiet = true },
	{ .name = "gup-levels",
	  .what = "the lower levels go",
	  .cpus = 2,
	  .setup = set_up_levels,
	  .check = first_stays },
	{ .name = "gup-span", .what = "two pages in two tables", .cpus = 2, .setup = set_up_span },
	{ .name = "gup-trade",
	  .what = "two processes trade tables and pages",
	  .cpus = 3,
	  .setup = set_up_trade },
	{ .name = "gup-swap",
	  .what = "another process gets the page, maps it, and gets the table",
	  .cpus = 3,
	  .flush = "hyperflush",
	  .calm = true,
	  .setup = set_up_swap },
	{ .name = "gup-slow",
	  .what = "with the way under the lock",
	  .cpus = 3,
	  .setup = set_up_slow },
	{ .name = "gup-protect",
	  .what = "for writing, against mprotect",
	  .cpus = 2,
	  .setup = set_up_protect,
	  .search = 2,
	  .quiet = true },
	{ .name = "gup-remap", .what = "against mremap", .cpus = 3, .setup = set_up_remap },
	{ .name = "gup-dontneed",
	  .what = "against MADV_DONTNEED",
	  .cpus = 3,
	  .setup = set_up_dontneed },
	{ .name = "gup-bits",
	  .what = "succeeds while hardware sets A and D",
	  .cpus = 2,
	  .setup = set_up_bits,
	  .search = 2 },
	{ 0 },
};
