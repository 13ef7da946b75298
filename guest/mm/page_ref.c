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

void page_get_more(paddr_t pa, u32 n)
{
	u32 old = mem_fetch_add(&page_of(page_block(pa))->refs, n);

	if (!old)
		panic("page: reference to %#llx, which is free", (unsigned long long)pa);
}

void page_get(paddr_t pa)
{
	page_get_more(pa, 1);
}

/* True: that was the last one. */
static bool drop(u32 head)
{
	u32 old = mem_fetch_add(&page_array.frame[head].refs, -1u);

	if (!old)
		panic("page: reference to frame %#x dropped that was not there", head);
	return old == 1;
}

void page_put_many(u32 *frame, u32 count)
{
	u32 last = 0;

	for (u32 i = 0; i < count; i++) {
		u32 head = mem_load(&page_of(frame_address(frame[i]))->head);

		if (drop(head))
			frame[last++] = head;
	}
	if (last)
		page_free_blocks(frame, last);
}

void page_put(paddr_t pa)
{
	u32 frame = (u32)(pa >> PAGE_SHIFT);

	page_put_many(&frame, 1);
}
