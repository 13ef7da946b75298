/* SPDX-License-Identifier: BSD-2-Clause */
/* The page allocator made a stack of a few single pages: what is freed last goes out first. */
#ifndef GUEST_STRESS_POOL_H
#define GUEST_STRESS_POOL_H

#include "guest/lib/types.h"

/*
 * Takes all free memory but `keep` pages, none of which has a free neighbour to merge with.
 * Returns how many it left. Nobody else allocates meanwhile.
 */
u32 pool_starve(u32 keep);

/* Gives it all back. */
void pool_feed(void);

#endif
