/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/arena.h"

#include "guest/cpu/percpu.h"
#include "guest/lib/print.h"
#include "guest/mm/page.h"
#include "guest/mm/pgtable.h"

struct arena *arena_create(void)
{
	struct arena *a = kzalloc(sizeof(*a));

	for (u32 s = 0; s < ARENA_SLOTS; s++) {
		for (u32 f = 0; f < ARENA_FRAMES; f++) {
			a->frame[s][f] = page_alloc_zeroed();
			ASSERT(a->frame[s][f] != PADDR_NONE);
		}
	}
	for (u32 c = 0; c < cpu_count(); c++) {
		a->cpu[c].root = pt_create_root();
		ASSERT(a->cpu[c].root != PADDR_NONE);
		a->cpu[c].leaf = pt_entry(a->cpu[c].root, ARENA_BASE, PTE_WRITE);
		ASSERT(a->cpu[c].leaf);
		for (u32 s = 0; s < ARENA_SLOTS; s++)
			arena_map(a, c, s, 0, 0);
	}
	return a;
}

void arena_stamp(struct arena *a, u32 slot, u64 generation)
{
	volatile u64 *stamp = phys_to_virt(a->frame[slot][generation % ARENA_FRAMES]);

	*stamp = generation;
}

void arena_map(struct arena *a, u32 cpu, u32 slot, u64 generation, u64 flags)
{
	pte_write(&a->cpu[cpu].leaf[slot], a->frame[slot][generation % ARENA_FRAMES] | PTE_PRESENT |
						   PTE_WRITE | PTE_NX | flags);
}
