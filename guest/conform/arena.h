/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings that tell which generation of an entry a reader used.
 *
 * A window of SLOTS pages in the lower half. Each slot has a few frames; the
 * frame mapped in generation g holds the number g, so a reader that gets a
 * smaller number than it must has used a stale translation. Each CPU has a
 * root and tables of its own down to the leaf: where the hypervisor shadows
 * them, no flush of another CPU brings this CPU's shadow up to date.
 */
#ifndef GUEST_CONFORM_ARENA_H
#define GUEST_CONFORM_ARENA_H

#include "guest/cpu/paging.h"
#include "guest/lib/cpumask.h"
#include "guest/lib/types.h"

#define ARENA_BASE  0x0000400000000000ul /* 2 MiB aligned: all slots in one leaf table */
#define ARENA_SLOTS 64u

/* Two would do if no stale entry outlived a generation; with controls it does. */
#define ARENA_FRAMES 4u

struct arena {
	paddr_t frame[ARENA_SLOTS][ARENA_FRAMES];
	struct {
		paddr_t root;
		pte_t *leaf; /* entry of slot 0 */
	} cpu[GUEST_MAX_CPUS];
};

/* Builds frames and the tables of all CPUs; every slot is mapped in generation 0. Boot CPU. */
struct arena *arena_create(void);

static inline u64 arena_va(u32 slot)
{
	return ARENA_BASE + slot * PAGE_SIZE;
}

/* Makes the frame of that generation ready: before any entry points to it. */
void arena_stamp(struct arena *a, u32 slot, u64 generation);

/* Stores the entry of one CPU; flushes nothing. `flags` besides PRESENT, WRITE, NX. */
void arena_map(struct arena *a, u32 cpu, u32 slot, u64 generation, u64 flags);

/* What this CPU, on its own root, finds in the slot. */
static inline u64 arena_read(u32 slot)
{
	return *(const volatile u64 *)arena_va(slot);
}

#endif
