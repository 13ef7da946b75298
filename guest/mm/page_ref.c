/* SPDX-License-Identifier: BSD-2-Clause */
/* References to blocks. The allocator itself is page.c. */
#include "guest/cpu/memory.h"
#include "guest/lib/print.h"
#include "guest/mm/page.h"

static paddr_t frame_address(u32 frame)
{
	return (paddr_t)frame << PAGE_SHIFT;
}

paddr_t page_block(paddr_t pa)
{
	return frame_address(mem_load(&page_of(pa)->head));
}

u32 page_refs(paddr_t pa)
{
	return mem_load(&page_of(page_block(pa))->refs);
}

void page_get(paddr_t pa)
{
	u32 old = mem_fetch_add(&page_of(page_block(pa))->refs, 1);

	if (!old)
		panic("page: reference to %#llx, which is free", (unsigned long long)pa);
}

static void put_block(paddr_t block)
{
	u32 old = mem_fetch_add(&page_of(block)->refs, -1u);

	if (!old)
		panic("page: reference to %#llx dropped that was not there",
		      (unsigned long long)block);
	if (old == 1)
		page_free_block(block);
}

/*
 * Between the load of `head` and the reference the block may be freed and the
 * frame given out in another one. The second look finds that; the reference
 * keeps the head as it is from then on.
 */
bool page_try_get(paddr_t pa)
{
	struct page *frame = page_of(pa);
	u32 head = mem_load(&frame->head);
	struct page *block = page_of(frame_address(head));
	u32 refs = mem_load(&block->refs);

	do {
		if (!refs)
			return false;
	} while (!mem_cas(&block->refs, &refs, refs + 1));
	if (mem_load(&frame->head) == head)
		return true;
	put_block(frame_address(head));
	return false;
}

void page_put(paddr_t pa)
{
	put_block(page_block(pa));
}
