/* SPDX-License-Identifier: BSD-2-Clause */
#define page_array	  buddy_array
#define page_alloc	  buddy_alloc
#define page_alloc_order  buddy_alloc_order
#define page_alloc_zeroed buddy_alloc_zeroed
#define page_block	  buddy_block
#define page_get	  buddy_get
#define page_get_more	  buddy_get_more
#define page_put	  buddy_put
#define page_put_many	  buddy_put_many
#define page_free_blocks  buddy_free_blocks
#define page_refs	  buddy_refs
#define page_free	  buddy_free
#define page_free_order	  buddy_free_order
#define page_free_count	  buddy_free_count
#define page_init	  buddy_page_init
#define page_init_high	  buddy_page_init_high
#define page_edge	  buddy_page_edge
#define kzalloc		  buddy_kzalloc
#define kfree		  buddy_kfree

#include "guest/mm/page.c"
#include "guest/mm/page_ref.c"

#include "tests/sim/buddy.h"

void buddy_init(void)
{
	struct boot_info boot = { .region_count = 2 };
	paddr_t end = boot_ram_end(&boot);

	boot.region[0] = (struct boot_region){ (paddr_t)BUDDY_FIRST << PAGE_SHIFT, end, true };
	/* Something behind it: else page_init() keeps the last page (page_edge()). */
	boot.region[1] = (struct boot_region){ end, end + PAGE_SIZE, false };
	page_init(&boot);
}

bool buddy_try_get(paddr_t pa)
{
	return page_try_get(pa);
}
