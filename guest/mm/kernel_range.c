/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/mm/kernel_range.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/paging.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/errno.h"
#include "guest/mm/pgtable.h"
#include "guest/mm/table.h"

#define KERNEL_HALF    0xffff800000000000ul
#define PERMISSION_ALL (PTE_WRITE | PTE_NX)

static pte_t *entry(u64 va)
{
	return pt_slot(pt_kernel_root(), va, 1);
}

/* Ends at the first page that is not mapped, whatever the count says. */
static bool mapped_small(const struct flush_range *r)
{
	if (r->start % PAGE_SIZE || r->start < KERNEL_HALF || !r->pages ||
	    r->pages > -r->start / PAGE_SIZE)
		return false;
	for (u64 i = 0; i < r->pages; i++) {
		const pte_t *e = entry(r->start + i * PAGE_SIZE);

		if (!e || !(pte_read(e) & PTE_PRESENT))
			return false;
	}
	return true;
}

/* Returns the bits that changed, PTE_GLOBAL among them if the entry is global. */
static u64 change(pte_t *e, u64 clear, u64 set)
{
	pte_t old = pte_read(e), new;

	do {
		new = (old & ~clear) | set;
	} while (new != old && !mem_cas(e, &old, new));
	return new == old ? 0 : (new ^ old) | (old & PTE_GLOBAL);
}

static u64 change_range(const struct flush_range *r, u64 clear, u64 set)
{
	u64 changed = 0;

	for (u64 i = 0; i < r->pages; i++)
		changed |= change(entry(r->start + i * PAGE_SIZE), clear, set);
	return changed;
}

int kernel_range_protect(const struct flush_range *r, unsigned n, u64 clear, u64 set)
{
	struct flush_request req = { .targets = *cpus_online() };
	u64 changed = 0;

	if ((clear | set) & ~PERMISSION_ALL || clear & set)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		if (!mapped_small(&r[i]))
			return -EINVAL;
	}
	for (unsigned i = 0; i < n; i++)
		changed |= change_range(&r[i], clear, set);
	if (!changed)
		return 0;
	if (changed & PTE_GLOBAL)
		req.flags = FLUSH_GLOBALS;
	/* Under PCIDs that are not current INVLPG leaves what is not global. */
	if (n <= FLUSH_MAX_RANGES && !this_mm_cpu()->pcids) {
		req.nr_ranges = n;
		for (unsigned i = 0; i < n; i++)
			req.ranges[i] = r[i];
	}
	flush_tlb(&req);
	return 0;
}
