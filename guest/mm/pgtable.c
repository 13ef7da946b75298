/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/boot/bootinfo.h"
#include "guest/cpu/paging.h"
#include "guest/cpu/tlb.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"
#include "guest/mm/pgtable.h"
#include "guest/mm/table.h"
#include "guest/mm/vmap.h"

#define DIRECT_MAPPED (4ull << 30) /* at least; the ACPI tables and the APIC are there */

extern char image_start[], text_end[], rodata_end[], image_end[];

static paddr_t kernel_root;

paddr_t pt_kernel_root(void)
{
	return kernel_root;
}

pte_t *pt_entry(paddr_t root, u64 va, u64 table_flags)
{
	u64 tables = 0;

	ASSERT(va < USER_END);
	return pt_slot_alloc(root, va, 1, table_flags, &tables);
}

pte_t *pt_lookup(paddr_t root, u64 va)
{
	return pt_slot(root, va, 1);
}

bool pt_map(paddr_t root, u64 va, paddr_t pa, u64 flags)
{
	pte_t *e = pt_entry(root, va, PTE_WRITE | (flags & PTE_USER));

	if (e)
		pte_write(e, pa | flags | PTE_PRESENT);
	return e != NULL;
}

paddr_t pt_create_root(void)
{
	paddr_t root = page_alloc_zeroed();

	if (root != PADDR_NONE)
		memcpy((pte_t *)phys_to_virt(root) + USER_ENTRIES,
		       (pte_t *)phys_to_virt(kernel_root) + USER_ENTRIES,
		       (PT_ENTRIES - USER_ENTRIES) * sizeof(pte_t));
	return root;
}

static void free_tables(paddr_t table, unsigned level, unsigned entries)
{
	const pte_t *slot = phys_to_virt(table);

	for (unsigned i = 0; level > 1 && i < entries; i++) {
		pte_t e = pte_read(&slot[i]);

		if (e & PTE_PRESENT && !pte_is_leaf(e, level))
			free_tables(pte_addr(e), level - 1, PT_ENTRIES);
	}
	page_free(table);
}

void pt_destroy(paddr_t root)
{
	ASSERT(root != kernel_root);
	free_tables(root, ROOT_LEVEL, USER_ENTRIES);
}

static void map_kernel(u64 va, unsigned level, pte_t leaf)
{
	u64 tables = 0;
	pte_t *e = pt_slot_alloc(kernel_root, va, level, PTE_WRITE, &tables);

	if (!e)
		panic("pgtable: no memory to map the kernel");
	pte_write(e, leaf | PTE_PRESENT | PTE_GLOBAL);
}

static void map_image(const char *from, const char *to, u64 flags)
{
	for (const char *p = from; p < to; p += PAGE_SIZE)
		map_kernel((u64)p, 1, virt_to_phys(p) | flags);
}

/* Where there is no RAM at all there may be devices: uncached. */
static void map_direct(const struct boot_info *boot)
{
	paddr_t end = MAX(boot_ram_end(boot), DIRECT_MAPPED);

	for (paddr_t pa = 0; pa < end; pa += LARGE_PAGE_SIZE) {
		u64 flags = PTE_LARGE | PTE_WRITE | PTE_NX;

		if (!boot_has_ram(boot, pa, pa + LARGE_PAGE_SIZE))
			flags |= PTE_NOCACHE;
		map_kernel((u64)phys_to_virt(pa), LARGE_LEVEL, pa | flags);
	}
}

/* All roots share it: what is mapped below it later is mapped in all. */
static void link_vmap_table(void)
{
	u64 tables = 0;

	if (!pt_slot_alloc(kernel_root, VMAP_BASE, ROOT_LEVEL - 1, PTE_WRITE, &tables))
		panic("pgtable: no memory for the vmap arena");
}

void pt_init(const struct boot_info *boot)
{
	kernel_root = page_alloc_zeroed();
	if (kernel_root == PADDR_NONE)
		panic("pgtable: no memory for the root");
	map_image(image_start, text_end, 0);
	map_image(text_end, rodata_end, PTE_NX);
	map_image(rodata_end, image_end, PTE_WRITE | PTE_NX);
	map_direct(boot);
	link_vmap_table();
	root_load(kernel_root);
}
