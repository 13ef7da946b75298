/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Four-level page tables. The caller serialises changes of one root and does
 * the TLB flushes: nothing here flushes.
 */
#ifndef GUEST_MM_PGTABLE_H
#define GUEST_MM_PGTABLE_H

#include "guest/cpu/paging.h"
#include "guest/lib/types.h"

/* The root every CPU boots on: the kernel half, an empty lower half. */
paddr_t pt_kernel_root(void);

/* A new root: the kernel half shared with all others, an empty lower half. PADDR_NONE: no memory.
 */
paddr_t pt_create_root(void);

/*
 * The 4 KiB leaf entry of a lower-half `va`; missing tables are allocated and
 * linked with `table_flags` (PTE_PRESENT is implied). NULL: no memory, or a
 * large page is in the way.
 */
pte_t *pt_entry(paddr_t root, u64 va, u64 table_flags);

/* The leaf entry if all its tables exist, else NULL. Allocates nothing. */
pte_t *pt_lookup(paddr_t root, u64 va);

/*
 * Writes the leaf entry for `va` (PTE_PRESENT is implied), with writable
 * tables, user-accessible if the leaf is. False: no memory. To unmap, write 0
 * through pt_lookup().
 */
bool pt_map(paddr_t root, u64 va, paddr_t pa, u64 flags);

/*
 * Frees the lower half's tables and the root, not the pages they map. No CPU
 * may have the root loaded or translations through it cached.
 */
void pt_destroy(paddr_t root);

struct boot_info;
/* Builds the kernel root (image, direct map) and loads it. CPU 0, after page_init(). */
void pt_init(const struct boot_info *boot);

#endif
