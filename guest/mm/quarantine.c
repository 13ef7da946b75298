/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Freed page tables under observation. A CPU that still has one in a
 * paging-structure cache walks it as if it were linked, and where the walk
 * succeeds the CPU sets accessed bits: in our canary entries.
 */
#include "guest/lib/print.h"
#include "guest/mm/page.h"
#include "guest/mm/table.h"
#include "guest/sched/spinlock.h"

#define QUARANTINE_MAX 1024u

static struct {
	struct spinlock lock;
	u32 capacity, next;
	paddr_t canary; /* what the entries map: read-only, to nobody's harm */
	paddr_t table[QUARANTINE_MAX];
} quarantine;

static pte_t canary_entry(void)
{
	return quarantine.canary | PTE_PRESENT | PTE_USER | PTE_NX;
}

void table_quarantine_init(u32 tables)
{
	quarantine.canary = page_alloc_zeroed();
	if (quarantine.canary == PADDR_NONE)
		panic("quarantine: no memory for the canary");
	quarantine.capacity = MIN(tables, QUARANTINE_MAX);
}

static void fill(paddr_t table)
{
	pte_t *e = phys_to_virt(table);

	for (u32 i = 0; i < PT_ENTRIES; i++)
		pte_write(&e[i], canary_entry());
}

static void release(paddr_t table)
{
	const pte_t *e = phys_to_virt(table);

	for (u32 i = 0; i < PT_ENTRIES; i++) {
		pte_t found = pte_read(&e[i]);

		if (found != canary_entry())
			panic("quarantine: entry %u of the freed table %#llx is %#llx, not %#llx: "
			      "a CPU still walks it",
			      i, (unsigned long long)table, (unsigned long long)found,
			      (unsigned long long)canary_entry());
	}
	page_put(table);
}

void table_free(paddr_t table)
{
	paddr_t out;
	bool was;

	if (!quarantine.capacity) {
		page_put(table);
		return;
	}
	fill(table);
	was = spin_lock_irq(&quarantine.lock);
	out = quarantine.table[quarantine.next];
	quarantine.table[quarantine.next] = table;
	quarantine.next = (quarantine.next + 1) % quarantine.capacity;
	spin_unlock_irq(&quarantine.lock, was);
	if (out != PADDR_NONE)
		release(out);
}

void table_quarantine_drain(void)
{
	for (u32 i = 0; i < quarantine.capacity; i++) {
		bool was = spin_lock_irq(&quarantine.lock);
		paddr_t out = quarantine.table[i];

		quarantine.table[i] = PADDR_NONE;
		spin_unlock_irq(&quarantine.lock, was);
		if (out != PADDR_NONE)
			release(out);
	}
}
