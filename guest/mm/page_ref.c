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

static void put_block(paddr_t block)
{
	u32 old = mem_fetch_add(&page_of(block)->refs, -1u);

	if (!old)
		panic("page: reference to %#llx dropped that was not there",
		      (unsigned long long)block);
	if (old == 1)
		page_free_block(block);
}

void page_put(paddr_t pa)
{
	put_block(page_block(pa));
}
