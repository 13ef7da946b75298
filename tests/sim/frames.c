/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/sim/frames.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/sim/oracle.h"
#include "tests/sim/schedule.h"

#define ORDERS (PAGE_MAX_ORDER + 1)

u8 *frames_ram;
struct sim_frame frames[FRAMES];

extern char image_start[], image_end[];

static struct page pages[FRAMES];
struct page_array page_array = { pages, FRAMES };

static struct {
	u32 stack[ORDERS][FRAMES]; /* free blocks of each order; the top is given out next */
	unsigned depth[ORDERS];
	u32 fresh; /* first frame of those below FRAMES_SMALL that were never given out */
	u32 fresh_large;
	u32 touched[FRAMES];
	unsigned touches;
	u64 used;
	u64 limit; /* on `used`; 0: none */
	unsigned fail_after;
	bool failing;
} f;

void frames_init(void)
{
	void *ram = mmap(NULL, (u64)FRAMES * PAGE_SIZE + LARGE_PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ram == MAP_FAILED)
		abort();
	frames_ram = (u8 *)ALIGN_UP((u64)ram, LARGE_PAGE_SIZE);
}

static void touch(u32 frame)
{
	if (frames[frame].touched)
		return;
	frames[frame].touched = true;
	f.touched[f.touches++] = frame;
}

void frames_reset(void)
{
	while (f.touches) {
		u32 frame = f.touched[--f.touches];

		frames[frame] = (struct sim_frame){ 0 };
		pages[frame] = (struct page){ 0 };
		if (frame < FRAMES_SMALL) /* a large page's contents are always set first */
			memset(frames_ram + (u64)frame * PAGE_SIZE, 0, PAGE_SIZE);
	}
	memset(f.depth, 0, sizeof(f.depth));
	f.fresh = 1;
	f.fresh_large = FRAMES_SMALL;
	f.used = f.limit = 0;
	f.fail_after = 0;
	f.failing = false;
}

void frames_fail_after(unsigned n)
{
	f.fail_after = n;
	f.failing = false;
}

void frames_leave(u64 n)
{
	f.limit = f.used + n;
}

u64 frames_used(void)
{
	return f.used;
}

void frames_census(u64 used)
{
	for (unsigned i = 0; i < f.touches; i++) {
		u32 frame = f.touched[i];

		if (!frames[frame].allocated && pages[frame].refs)
			sim_fail("I13: free frame %u has %u references at the end", frame,
				 pages[frame].refs);
	}
	if (f.used != used)
		sim_fail("I13: %lu frames are in use at the end, not %lu", f.used, used);
}

void *sim_phys_to_virt(u64 pa)
{
	if (pa >> PAGE_SHIFT >= FRAMES)
		sim_fail("I3: physical address %#lx is followed, beyond RAM", pa);
	return frames_ram + pa;
}

/* The image is empty, and at 0. */
u64 sim_virt_to_phys(const void *p)
{
	if (p == image_start || p == image_end)
		return 0;
	if (!frame_at(p))
		sim_fail("virt_to_phys() of what is not in RAM");
	return (u64)((const u8 *)p - frames_ram);
}

u32 frames_page_at(const volatile void *p)
{
	u64 offset = (u64)((const volatile u8 *)p - (const volatile u8 *)pages);

	return offset < sizeof(pages) ? (u32)(offset / sizeof(pages[0])) : 0;
}

/* A large block that was freed is the first to be cut, and its first frame given out first. */
static void split_large(void)
{
	u32 block = f.stack[9][--f.depth[9]];

	for (u32 i = 1u << 9; i-- > 0;)
		f.stack[0][f.depth[0]++] = block + i;
}

static u32 take_block(unsigned order)
{
	u32 n = 1u << order, at;

	if (!order && f.depth[9])
		split_large();
	if (f.depth[order])
		return f.stack[order][--f.depth[order]];
	if (order >= 9) {
		at = f.fresh_large;
		if (at + n > FRAMES)
			return 0;
		f.fresh_large += n;
		return at;
	}
	at = ALIGN_UP(f.fresh, n);
	if (at + n > FRAMES_SMALL)
		return 0;
	f.fresh = at + n;
	return at;
}

static bool injected_failure(unsigned order)
{
	if (f.limit && f.used + (1u << order) > f.limit)
		return true;
	if (f.fail_after && --f.fail_after == 0)
		f.failing = true;
	return f.failing;
}

/* One step: as a lock would make it. */
paddr_t page_alloc_order(unsigned order)
{
	u32 block;

	sim_step();
	memory_drain(sim_cpu());
	block = injected_failure(order) ? 0 : take_block(order);
	if (!block)
		return PADDR_NONE;
	for (u32 i = block; i < block + (1u << order); i++) {
		touch(i);
		frames[i].allocated = true;
		pages[i].head = block;
	}
	pages[block].order = (u8)order;
	pages[block].refs = 1;
	f.used += 1u << order;
	if (sim.logging)
		timeline_add(sim.self, "allocates frame %u, order %u", block, order);
	return (paddr_t)block << PAGE_SHIFT;
}

static void free_block(u32 block)
{
	unsigned order = pages[block].order;

	if (sim.logging)
		timeline_add(sim.self, "frees frame %u, order %u", block, order);
	if (!frames[block].allocated || pages[block].head != block)
		sim_fail("I13: frame %u is freed, which is not allocated", block);
	oracle_free(block, 1u << order);
	for (u32 i = block; i < block + (1u << order); i++) {
		frames[i].allocated = false;
		frames[i].generation++;
		pages[i].head = i; /* as page.c: before it can be part of another block */
	}
	pages[block].next = pages[block].prev = FRAMES; /* the list that page.c keeps it in */
	f.used -= 1u << order;
	f.stack[order][f.depth[order]++] = block;
}

void page_free_blocks(const u32 *frame, u32 count)
{
	sim_step();
	memory_drain(sim_cpu());
	for (u32 i = 0; i < count; i++)
		free_block(frame[i]);
}

void page_free_order(paddr_t pa, unsigned order)
{
	u32 frame = (u32)(pa >> PAGE_SHIFT);

	if (pa % PAGE_SIZE || frame >= FRAMES || !frames[frame].allocated ||
	    pages[frame].order != order)
		sim_fail("I13: free of %#lx, order %u, which is not allocated so", pa, order);
	page_put(pa);
}

paddr_t page_alloc(void)
{
	return page_alloc_order(0);
}

void page_free(paddr_t pa)
{
	page_free_order(pa, 0);
}

paddr_t page_alloc_zeroed(void)
{
	paddr_t pa = page_alloc();

	if (pa != PADDR_NONE)
		sim_memset(sim_phys_to_virt(pa), 0, PAGE_SIZE);
	return pa;
}

u64 page_free_count(void)
{
	return FRAMES - f.used;
}

static unsigned order_for(size_t size)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < size)
		order++;
	return order;
}

void *kzalloc(size_t size)
{
	paddr_t pa = page_alloc_order(order_for(size));

	if (pa == PADDR_NONE)
		sim_fail("no memory for %zu bytes", size);
	return sim_memset(sim_phys_to_virt(pa), 0, PAGE_SIZE << order_for(size));
}

void kfree(void *p, size_t size)
{
	page_free_order(sim_virt_to_phys(p), order_for(size));
}
