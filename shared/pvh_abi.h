/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How our guest is entered: PVH (xen/include/public/arch-x86/hvm/start_info.h)
 * and multiboot 1. Also included by assembly.
 */
#ifndef HF_SHARED_PVH_ABI_H
#define HF_SHARED_PVH_ABI_H

#define PVH_NOTE_TYPE	18 /* XEN_ELFNOTE_PHYS32_ENTRY, owner "Xen" */
#define PVH_START_MAGIC 0x336ec578

#define PVH_MEMMAP_RAM	    1
#define PVH_MEMMAP_RESERVED 2
#define PVH_MEMMAP_ACPI	    3

#define MULTIBOOT_HEADER_MAGIC 0x1badb002
#define MULTIBOOT_BOOT_MAGIC   0x2badb002

#ifndef __ASSEMBLER__
#include <stdint.h>

/* EBX at the 32-bit entry holds the physical address of this. */
struct pvh_start_info {
	uint32_t magic;
	uint32_t version; /* 1: memmap is there; 0: the structure ends before it */
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct pvh_memmap_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

_Static_assert(sizeof(struct pvh_start_info) == 56, "PVH");
_Static_assert(sizeof(struct pvh_memmap_entry) == 24, "PVH");
#endif

#endif
