/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/mm/page.h"
#include "guest/mm/table.h"

pte_t *pt_slot(paddr_t root, u64 va, unsigned level)
{
	paddr_t table = root;

	for (unsigned l = ROOT_LEVEL; l > level; l--) {
		pte_t e = pte_read(table_slot(table, va, l));

		if (!(e & PTE_PRESENT) || pte_is_leaf(e, l))
			return NULL;
		table = pte_addr(e);
	}
	return table_slot(table, va, level);
}

pte_t *pt_slot_alloc(paddr_t root, u64 va, unsigned level, u64 table_flags, u64 *tables)
{
	paddr_t table = root;

	for (unsigned l = ROOT_LEVEL; l > level; l--) {
		pte_t *slot = table_slot(table, va, l);
		pte_t e = pte_read(slot);

		if (e & PTE_PRESENT && pte_is_leaf(e, l))
			return NULL;
		if (!(e & PTE_PRESENT)) {
			paddr_t fresh = page_alloc_zeroed();

			if (fresh == PADDR_NONE)
				return NULL;
			++*tables;
			e = fresh | table_flags | PTE_PRESENT;
			pte_write(slot, e); /* after the zeroes: stores stay in order */
		}
		table = pte_addr(e);
	}
	return table_slot(table, va, level);
}
