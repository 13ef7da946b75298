/* SPDX-License-Identifier: BSD-2-Clause */
/* What the stress writes into pages: words that tell owner, page and generation. */
#ifndef GUEST_STRESS_PATTERN_H
#define GUEST_STRESS_PATTERN_H

#include "guest/cpu/memory.h"
#include "guest/cpu/paging.h"
#include "guest/stress/findings.h"

#define STAMP_CHILD \
	0x800u /* set in the owner, which is less: a child's page, after it has written there */
#define STAMP_GENERATION 0xffffffu

/*
 * Owner in bits 52 to 63, page in 32 to 43, generation in 8 to 31. Read as a page-table
 * entry, a stamp is present, for all, and names what no machine has: bit 51. So a walker,
 * of hardware or software, that takes a page of ours for a table cannot go on unnoticed.
 */
static inline u64 stamp(u32 owner, u32 page, u32 generation)
{
	return (u64)owner << 52 | 1ul << 51 | (u64)page << 32 |
	       (u64)(generation & STAMP_GENERATION) << 8 | PTE_PRESENT | PTE_WRITE | PTE_USER;
}

static inline u32 stamp_generation(u64 v)
{
	return (u32)(v >> 8) & STAMP_GENERATION;
}

/*
 * `v` was read at `va`, from the page that this owner calls `page`. It may be zero: nobody
 * has written to it yet. `floor` is a generation that had ended before the read began.
 */
static inline void stamp_check(u64 v, u64 va, u32 owner, u32 page, u32 floor)
{
	u64 expected = stamp(owner, page, floor);

	if (!v)
		return;
	if (stamp(owner, page, stamp_generation(v)) != v)
		finding(FOUND_FOREIGN, va, expected, v);
	else if (stamp_generation(v) < floor)
		finding(FOUND_STALE, va, expected, v);
}

static inline u64 *page_words(paddr_t page)
{
	return phys_to_virt(page);
}

/* MMIX's generator (Knuth); the upper half. */
static inline u32 random_next(u64 *state)
{
	*state = *state * 6364136223846793005ul + 1442695040888963407ul;
	return (u32)(*state >> 32);
}

static inline u32 random_below(u64 *state, u32 n)
{
	return (u32)((u64)random_next(state) * n >> 32);
}

#endif
