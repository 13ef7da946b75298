/* SPDX-License-Identifier: BSD-2-Clause */
/* Shows that the quarantine (mm/table.h) sees what it is there for. */
#include "guest/cpu/tlb.h"
#include "guest/cpu/trap.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/page.h"
#include "guest/mm/switch.h"
#include "guest/mm/table.h"
#include "guest/selftest/selftest.h"
#include "guest/stress/stress.h"

/* A table that is freed while it is linked, as if its unlink had never been flushed. */
void stress_canary(const struct stress *s)
{
	struct mm *mm = selftest_make_mm(1);
	pte_t *slot = pt_slot(mm->root, SELFTEST_VA, LARGE_LEVEL);
	paddr_t table = page_alloc_zeroed();
	u64 value;

	(void)s;
	if (!slot || table == PADDR_NONE)
		panic("canary: no memory");
	mm_use(mm);
	pte_write(slot, table | PTE_PRESENT | PTE_WRITE | PTE_USER);
	table_free(table);
	tlb_flush_user(); /* forgets what it knew of the old entry */
	ktap_ok(!try_read64((const void *)SELFTEST_VA, &value), "hardware walks a freed table");
	table_quarantine_drain();
	ktap_ok(false, "and nobody has noticed");
}
