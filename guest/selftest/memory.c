/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/tlb.h"
#include "guest/cpu/trap.h"
#include "guest/lib/ktap.h"
#include "guest/mm/page.h"
#include "guest/mm/pgtable.h"
#include "guest/sched/thread.h"
#include "guest/selftest/selftest.h"

#define BLOCKS	256
#define TEST_VA 0x0000123456789000ul

void selftest_traps(void)
{
	u64 value = 0;

	ktap_ok(try_read64((const void *)USER_END, &value) == TRAP_GP,
		"a non-canonical read is caught as #GP");
	ktap_ok(try_read64((const void *)TEST_VA, &value) == TRAP_PF,
		"a read of nothing is caught as #PF");
	ktap_ok(try_write64((void *)(u64)selftest_traps, 0) == TRAP_PF,
		"a write to the kernel's text is caught as #PF");
	ktap_ok(try_read64(&value, &value) == 0, "a good read is not");
}

/* One block of each order in turn; every page of it is marked with its own address. */
static u32 fill(paddr_t *block, u32 blocks)
{
	u32 n = 0;

	for (; n < blocks; n++) {
		unsigned order = n % 4;

		block[n] = page_alloc_order(order);
		if (block[n] == PADDR_NONE)
			break;
		for (u64 i = 0; i < 1ul << order; i++)
			*(u64 *)phys_to_virt(block[n] + i * PAGE_SIZE) = block[n] + i * PAGE_SIZE;
	}
	return n;
}

static bool marks_intact(const paddr_t *block, u32 blocks)
{
	for (u32 n = 0; n < blocks; n++) {
		for (u64 i = 0; i < 1ul << n % 4; i++) {
			paddr_t pa = block[n] + i * PAGE_SIZE;

			if (*(u64 *)phys_to_virt(pa) != pa)
				return false;
		}
	}
	return true;
}

void selftest_memory(void)
{
	static paddr_t block[BLOCKS];
	u64 before = page_free_count(), taken;
	u32 n = fill(block, BLOCKS);
	bool aligned = true;

	for (u32 i = 0; i < n; i++)
		aligned &= block[i] % (PAGE_SIZE << i % 4) == 0;
	taken = before - page_free_count();
	ktap_ok(n == BLOCKS && taken == BLOCKS / 4 * (1ul + 2 + 4 + 8), "%u blocks take %llu pages",
		n, (unsigned long long)taken);
	ktap_ok(aligned, "blocks are aligned to their size");
	ktap_ok(marks_intact(block, n), "no two blocks overlap");
	for (u32 i = 0; i < n; i++)
		page_free_order(block[(i * 7 + 3) % n], ((i * 7 + 3) % n) % 4);
	ktap_ok(page_free_count() == before, "all %llu pages are free again",
		(unsigned long long)before);
}

static u64 read_at_va(void)
{
	return *(volatile u64 *)TEST_VA;
}

static void check_mapping(paddr_t root, const paddr_t *page)
{
	pte_t *e;
	u64 value;

	ktap_ok(pt_map(root, TEST_VA, page[0], PTE_WRITE | PTE_NX), "a page is mapped");
	ktap_ok(read_at_va() == page[0], "the mapping shows the page");
	e = pt_lookup(root, TEST_VA);
	ktap_ok(e && pte_addr(pte_read(e)) == page[0] && pte_read(e) & PTE_ACCESSED,
		"its entry has been marked accessed");
	pte_write(e, page[1] | PTE_PRESENT);
	tlb_flush_page(TEST_VA);
	ktap_ok(read_at_va() == page[1], "after INVLPG another page shows");
	ktap_ok(try_write64((void *)TEST_VA, 0) == TRAP_PF, "a read-only mapping refuses a write");
	pte_write(e, page[0] | PTE_PRESENT);
	tlb_flush_user();
	ktap_ok(read_at_va() == page[0], "after a CR3 reload the first page shows");
	pte_write(e, page[1] | PTE_PRESENT | PTE_GLOBAL);
	tlb_flush_page(TEST_VA);
	(void)read_at_va();
	pte_write(e, page[0] | PTE_PRESENT);
	tlb_flush_all();
	ktap_ok(read_at_va() == page[0], "after a full flush a global mapping is gone");
	pte_write(e, 0);
	tlb_flush_page(TEST_VA);
	ktap_ok(try_read64((const void *)TEST_VA, &value) == TRAP_PF, "an unmapped page faults");
}

void selftest_paging(void)
{
	u64 before = page_free_count();
	paddr_t page[2] = { page_alloc_zeroed(), page_alloc_zeroed() };
	paddr_t root = pt_create_root();

	for (u32 i = 0; i < 2; i++)
		*(u64 *)phys_to_virt(page[i]) = page[i];
	preempt_disable();
	root_load(root);
	check_mapping(root, page);
	root_load(pt_kernel_root());
	preempt_enable();
	pt_destroy(root);
	page_free(page[0]);
	page_free(page[1]);
	ktap_ok(page_free_count() == before, "page tables are freed, %llu pages as before",
		(unsigned long long)before);
}
