/* SPDX-License-Identifier: BSD-2-Clause */
/* Clearing entries, and unlinking tables that are empty thereby. mm->lock held. */
#ifndef GUEST_MM_ZAP_H
#define GUEST_MM_ZAP_H

#include "guest/mm/gather.h"

/*
 * Clears every leaf entry in [start, end). A 2 MiB page that reaches beyond is
 * split first. With `tables` also unlinks the tables whose whole reach has no VMA: the
 * VMAs of the range are gone already. 0, or -ENOMEM for want of a table to split into.
 */
int zap_range(struct mmu_gather *g, u64 start, u64 end, bool tables);

/*
 * Lowers or raises the protection of the leaves in [start, end) to `prot`; a page
 * that may be shared stays without PTE_WRITE, the fault sorts it out.
 */
int zap_protect(struct mmu_gather *g, u64 start, u64 end, unsigned prot);

/* Moves the leaves of [from, from + bytes) to `to`, whose range is empty. Both page aligned. */
int zap_move(struct mmu_gather *g, u64 from, u64 to, u64 bytes);

#endif
