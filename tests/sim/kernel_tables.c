/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest/mm/pgtable.c whole, with another beginning: pt_init() maps an image and gigabytes
 * of RAM, which are not there.
 */
#include "guest/mm/pgtable.c"

#include "guest/mm/vmap.h"
#include "tests/sim/frames.h"
#include "tests/sim/kernel_tables.h"

__asm__(".globl image_start, text_end, rodata_end, image_end\n"
	"image_start: text_end: rodata_end: image_end:\n");

paddr_t boot_ram_end(const struct boot_info *boot)
{
	(void)boot;
	return (paddr_t)FRAMES * PAGE_SIZE;
}

bool boot_has_ram(const struct boot_info *boot, paddr_t start, paddr_t end)
{
	(void)boot;
	(void)start;
	(void)end;
	return false;
}

void kernel_tables_init(void)
{
	u64 tables = 0;

	kernel_root = page_alloc_zeroed();
	if (!pt_slot_alloc(kernel_root, VMAP_BASE, ROOT_LEVEL - 1, PTE_WRITE, &tables))
		panic("no memory for the vmap arena");
}
