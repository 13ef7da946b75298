/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/mm/page.c and page_ref.c themselves, under other names and on RAM of their own:
 * the other scenarios have frames.c instead, which reuses sooner.
 */
#ifndef SIM_BUDDY_H
#define SIM_BUDDY_H

#include "guest/cpu/paging.h"

/* RAM from frame BUDDY_FIRST to the end. During setup. */
#define BUDDY_FIRST 1024u
void buddy_init(void);

paddr_t buddy_alloc_order(unsigned order);
bool buddy_try_get(paddr_t pa);
void buddy_put(paddr_t pa);
paddr_t buddy_block(paddr_t pa);
u32 buddy_refs(paddr_t pa);
u64 buddy_free_count(void);

#endif
