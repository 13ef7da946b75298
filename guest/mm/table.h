/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables by level: 1 holds the entries of 4 KiB pages, 2 those of 2 MiB
 * pages, 4 is the root. The caller serialises changes; nothing here flushes.
 */
#ifndef GUEST_MM_TABLE_H
#define GUEST_MM_TABLE_H

#include "guest/cpu/paging.h"
#include "guest/lib/types.h"

#define ROOT_LEVEL   4u
#define LARGE_LEVEL  2u
#define USER_ENTRIES (PT_ENTRIES / 2) /* of the root */

/* Bytes that one entry of that level maps. */
static inline u64 level_bytes(unsigned level)
{
	return PAGE_SIZE << 9 * (level - 1);
}

/* The entry for `va` in a table of that level. */
static inline pte_t *table_slot(paddr_t table, u64 va, unsigned level)
{
	return (pte_t *)phys_to_virt(table) +
	       (va >> (PAGE_SHIFT + 9 * (level - 1)) & (PT_ENTRIES - 1));
}

/* Whether it maps a page rather than naming a table. `e` is present. */
static inline bool pte_is_leaf(pte_t e, unsigned level)
{
	return level == 1 || e & PTE_LARGE;
}

/* The entry for `va` at `level`; NULL if a table above it is missing or a larger page in the way.
 */
pte_t *pt_slot(paddr_t root, u64 va, unsigned level);

/*
 * The same, with new tables as needed, linked with `table_flags`; *tables grows by
 * their number. NULL: no memory (then some of them may have been linked, empty), or
 * a larger page in the way.
 */
pte_t *pt_slot_alloc(paddr_t root, u64 va, unsigned level, u64 table_flags, u64 *tables);

/*
 * Gives a table back that no walker, of hardware or software, can reach. With
 * the word "quarantine=N" on the command line the last N of them are kept first, full of
 * entries with clear accessed and dirty bits, and checked on their way out:
 * a bit that is set was set by a hardware walk of a freed table, and is a panic.
 */
void table_free(paddr_t table);

void table_quarantine_init(u32 tables);

/* Checks and frees all that is kept; for censuses. */
void table_quarantine_drain(void);

#endif
