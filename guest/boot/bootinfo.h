/* SPDX-License-Identifier: BSD-2-Clause */
/* What the boot loader told us, copied out of its memory: one form for PVH and multiboot. */
#ifndef GUEST_BOOT_BOOTINFO_H
#define GUEST_BOOT_BOOTINFO_H

#include "guest/lib/types.h"

#define BOOT_MAX_REGIONS 128
#define BOOT_CMDLINE_MAX 2048

struct boot_region {
	paddr_t start;
	paddr_t end; /* exclusive */
	bool ram;
};

struct boot_info {
	const char *loader;
	char cmdline[BOOT_CMDLINE_MAX];
	paddr_t rsdp; /* 0: none found */
	u32 region_count;
	struct boot_region region[BOOT_MAX_REGIONS];
};

/*
 * Fills `boot` from the structure at physical `info` (below 4 GiB, as all it
 * points to), whose kind `magic` tells: PVH_START_MAGIC or MULTIBOOT_BOOT_MAGIC.
 * Panics on anything malformed.
 */
void boot_info_parse(struct boot_info *boot, u32 magic, paddr_t info);

/* First byte beyond the last RAM, at most DIRECT_MAP_LIMIT. */
paddr_t boot_ram_end(const struct boot_info *boot);

/* A page of RAM below 640 KiB, for the code APs start in. Panics if there is none. */
paddr_t boot_low_page(const struct boot_info *boot);

/* Whether any RAM lies in [start, end). */
bool boot_has_ram(const struct boot_info *boot, paddr_t start, paddr_t end);

#endif
