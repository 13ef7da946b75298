/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical pages. Buddy blocks of 2^order pages, naturally aligned. All
 * functions are safe on any CPU, also with interrupts off, but not in NMI.
 */
#ifndef GUEST_MM_PAGE_H
#define GUEST_MM_PAGE_H

#include "guest/cpu/memory.h"
#include "guest/cpu/paging.h"
#include "guest/lib/print.h"
#include "guest/lib/types.h"

#define PAGE_MAX_ORDER 10
#define PADDR_NONE     0 /* page 0 is never given out */

/* One or 2^order contiguous pages, contents undefined; PADDR_NONE when there are none. */
paddr_t page_alloc(void);
paddr_t page_alloc_order(unsigned order);

/* One page of zeroes; PADDR_NONE when there is none. */
paddr_t page_alloc_zeroed(void);

/*
 * Every allocated block has a reference count, in the page of its first frame; it
 * is born with 1 and is free when the count reaches zero. gup_fast() may take a
 * reference to any frame at any time, also to one that is free or something else
 * by then, and drops it when it finds out: so a count is never tested for 1 but as a hint,
 * and every way to free a block is to drop a reference.
 */
struct page {
	u32 next, prev; /* free list, frame numbers; 0 ends it */
	u32 head; /* first frame of the block in which this one lies; if it is free: itself, or 0 */
	u32 refs; /* of the block, in its first frame; zero: free */
	u8 order; /* of the block, in its first frame */
	u8 state;
};

/* One a frame, from frame 0 to the end of RAM; constant after page_init(). */
struct page_array {
	struct page *frame;
	u64 count;
};
extern struct page_array page_array;

/* The frame of `pa`, below the end of RAM. */
static inline struct page *page_of(paddr_t pa)
{
	ASSERT(pa >> PAGE_SHIFT < page_array.count);
	return &page_array.frame[pa >> PAGE_SHIFT];
}

/* The first page of the allocated block in which `pa` lies. The caller holds a reference. */
paddr_t page_block(paddr_t pa);

/* One, or `n`, more references to the block of `pa`; the caller holds one, or mm->lock of who does.
 */
void page_get(paddr_t pa);
void page_get_more(paddr_t pa, u32 n);

/* Drops one; the last one frees the block. Any context. */
void page_put(paddr_t pa);

/*
 * One more reference without holding one: false if the frame is free, or became
 * part of another block meanwhile. Any context; one locked instruction, no other
 * store. In line: gup_fast() does little else.
 *
 * Between the load of `head` and the reference the block may be freed, and both
 * frames given out in others. The second look finds that, for a frame that is freed
 * names itself before its former head can be allocated again. If it finds the same
 * head, the reference is to the block in which the frame lies, and keeps it there.
 */
static inline bool page_try_get(paddr_t pa)
{
	struct page *frame = page_of(pa);
	u32 head = mem_load(&frame->head);
	struct page *block = &page_array.frame[head];
	u32 refs = mem_load(&block->refs);

	do {
		if (!refs)
			return false;
	} while (!mem_cas(&block->refs, &refs, refs + 1));
	if (__builtin_expect(mem_load(&frame->head) == head, 1))
		return true;
	page_put((paddr_t)head << PAGE_SHIFT);
	return false;
}

/* The same for a list of frames, which it overwrites. */
void page_put_many(u32 *frame, u32 count);

/* The last references to the blocks of these first frames are gone: page_ref.c alone calls it. */
void page_free_blocks(const u32 *frame, u32 count);

/* A hint: others may take and drop references at any time. */
u32 page_refs(paddr_t pa);

/*
 * Gives a block back whole, by its first page: page_free() one of order 0. Panics
 * if it is not an allocated block of that order (double free, wrong order).
 */
void page_free(paddr_t pa);
void page_free_order(paddr_t pa, unsigned order);

/* Pages free now, for censuses; exact when nobody else allocates. */
u64 page_free_count(void);

/*
 * Zeroed, page-granular memory for structures that live long; at most
 * PAGE_SIZE << PAGE_MAX_ORDER bytes. Panics when there is none. kfree() wants the same size.
 */
void *kzalloc(size_t size);
void kfree(void *p, size_t size);

/* Where memory ends, for those who ask what a hypervisor does there. */
struct page_edge {
	paddr_t tail;	/* the last page of RAM, which page_alloc() never gives; PADDR_NONE: the
			   memory   map has something right behind it, or something lies in it */
	paddr_t beyond; /* page-aligned, behind all that the memory map has */
};
struct page_edge page_edge(void);

struct boot_info;
/*
 * Take the memory map's RAM, without the image and the first 1 MiB: what lies below
 * 4 GiB, and the rest. Between the two come pt_init(), which maps the rest, and
 * smp_start(): APs begin on page tables that do not. Once each, on CPU 0.
 */
void page_init(const struct boot_info *boot);
void page_init_high(const struct boot_info *boot);

#endif
