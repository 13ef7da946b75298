/* SPDX-License-Identifier: BSD-2-Clause */
/* Clearing entries, and unlinking tables that are empty thereby. mm->lock held. */
#ifndef GUEST_MM_ZAP_H
#define GUEST_MM_ZAP_H

#include "guest/mm/gather.h"

/* Splits the 2 MiB pages that reach across `start` or `end`. 0 or -ENOMEM. Before all that follow.
 */
int zap_split_edges(struct mmu_gather *g, u64 start, u64 end);

/*
 * Clears every leaf entry in [start, end). Tables whose whole reach has no VMA go as a
 * whole: an unmap has removed the VMAs of the range before.
 */
void zap_range(struct mmu_gather *g, u64 start, u64 end);

/*
 * Gives the leaves in [start, end) the protection `prot`; PTE_WRITE is never added,
 * for the page may be shared: the next write faults and sorts it out.
 */
void zap_protect(struct mmu_gather *g, u64 start, u64 end, unsigned prot);

/* Moves the leaves of [from, from + bytes) to `to`, where nothing is mapped. 0 or -ENOMEM: nothing
 * moved. */
int zap_move(struct mmu_gather *g, u64 from, u64 to, u64 bytes);

#endif
