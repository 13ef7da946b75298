/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/stress/pool.h"

#include "guest/mm/page.h"

/* In each block that is held. */
struct held {
	paddr_t next;
	unsigned order;
};

static paddr_t first; /* PADDR_NONE: nothing is held */

static bool take(unsigned order)
{
	paddr_t block = page_alloc_order(order);
	struct held *h = phys_to_virt(block);

	if (block == PADDR_NONE)
		return false;
	*h = (struct held){ first, order };
	first = block;
	return true;
}

static void give(paddr_t *at)
{
	paddr_t block = *at;
	struct held h = *(const struct held *)phys_to_virt(block);

	*at = h.next;
	page_free_order(block, h.order);
}

static bool is_spare(paddr_t block)
{
	const struct held *h = phys_to_virt(block);

	return !h->order && !(block >> PAGE_SHIFT & 1);
}

u32 pool_starve(u32 keep)
{
	u32 left = 0;

	/* Neighbours come one after the other: half of these will do. */
	for (u32 i = 0; i < 2 * keep + 2; i++)
		take(0);
	for (unsigned order = PAGE_MAX_ORDER + 1; order--;) {
		while (take(order))
			;
	}
	for (paddr_t *at = &first; *at != PADDR_NONE && left < keep;) {
		if (is_spare(*at)) {
			give(at);
			left++;
		} else {
			at = &((struct held *)phys_to_virt(*at))->next;
		}
	}
	return left;
}

void pool_feed(void)
{
	while (first != PADDR_NONE)
		give(&first);
}
