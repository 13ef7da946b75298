/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/boot/acpi.h"
#include "guest/boot/bootinfo.h"
#include "guest/boot/xen_memmap.h"
#include "guest/cpu/paging.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "shared/pvh_abi.h"

#define LOW_RAM_END 0xa0000u

/* Multiboot 0.6.96, the fields used. */
#define MULTIBOOT_HAS_CMDLINE (1u << 2)
#define MULTIBOOT_HAS_MEMMAP  (1u << 6)

struct multiboot_info {
	u32 flags;
	u32 mem_lower, mem_upper;
	u32 boot_device;
	u32 cmdline;
	u32 mods_count, mods_addr;
	u32 syms[4];
	u32 mmap_length, mmap_addr;
};

struct multiboot_entry {
	u32 size; /* of the rest */
	u64 addr, length;
	u32 type; /* 1: RAM, as in PVH's map */
} __attribute__((packed));

static void add_region(struct boot_info *boot, u64 start, u64 size, u32 type)
{
	if (size == 0)
		return;
	if (boot->region_count == BOOT_MAX_REGIONS)
		panic("boot: memory map has more than %d entries", BOOT_MAX_REGIONS);
	if (start + size < start)
		panic("boot: memory map entry %#llx + %#llx wraps", (unsigned long long)start,
		      (unsigned long long)size);
	boot->region[boot->region_count++] = (struct boot_region){ .start = start,
								   .end = start + size,
								   .ram = type == PVH_MEMMAP_RAM };
}

/* [pa, pa + bytes) is mapped: a loader's structure may be read. */
static void check_reach(const char *what, paddr_t pa, u64 bytes)
{
	if (bytes > BOOT_MAPPED || pa > BOOT_MAPPED - bytes)
		panic("boot: %s at %#llx is out of reach", what, (unsigned long long)pa);
}

static void copy_cmdline(struct boot_info *boot, paddr_t text)
{
	size_t len = 0;

	check_reach("command line", text, sizeof(boot->cmdline));
	memcpy(boot->cmdline, phys_to_virt(text), sizeof(boot->cmdline));
	while (len < sizeof(boot->cmdline) && boot->cmdline[len])
		len++;
	if (len == sizeof(boot->cmdline))
		panic("boot: command line longer than %d bytes", BOOT_CMDLINE_MAX - 1);
}

/* Version 0 of the start info ends before the map: Xen up to 4.17 starts its dom0 so. */
static void add_xen_map(struct boot_info *boot)
{
	static struct xen_memmap_entry map[BOOT_MAX_REGIONS];
	u32 count = xen_memory_map(map, BOOT_MAX_REGIONS);

	for (u32 i = 0; i < count; i++)
		add_region(boot, map[i].addr, map[i].size, map[i].type);
}

static void add_pvh_map(struct boot_info *boot, const struct pvh_start_info *si)
{
	struct pvh_memmap_entry entry;

	if (si->memmap_entries > BOOT_MAX_REGIONS)
		panic("boot: memory map has more than %d entries", BOOT_MAX_REGIONS);
	check_reach("memory map", si->memmap_paddr, si->memmap_entries * sizeof(entry));
	for (u32 i = 0; i < si->memmap_entries; i++) {
		memcpy(&entry, phys_to_virt(si->memmap_paddr + i * sizeof(entry)), sizeof(entry));
		add_region(boot, entry.addr, entry.size, entry.type);
	}
}

static void parse_pvh(struct boot_info *boot, paddr_t info)
{
	const struct pvh_start_info *si = phys_to_virt(info);

	boot->loader = "PVH";
	if (si->magic != PVH_START_MAGIC)
		panic("boot: PVH start info has magic %#x", si->magic);
	if (si->cmdline_paddr)
		copy_cmdline(boot, si->cmdline_paddr);
	if (si->version)
		add_pvh_map(boot, si);
	else
		add_xen_map(boot);
	boot->rsdp = si->rsdp_paddr;
}

static void parse_multiboot(struct boot_info *boot, paddr_t info)
{
	const struct multiboot_info *mb = phys_to_virt(info);

	boot->loader = "multiboot";
	if (!(mb->flags & MULTIBOOT_HAS_MEMMAP))
		panic("boot: multiboot loader gives no memory map");
	if (mb->flags & MULTIBOOT_HAS_CMDLINE)
		copy_cmdline(boot, mb->cmdline);
	check_reach("memory map", mb->mmap_addr, mb->mmap_length);
	for (u64 at = 0; at + sizeof(struct multiboot_entry) <= mb->mmap_length;) {
		const struct multiboot_entry *e = phys_to_virt(mb->mmap_addr + at);

		if (e->size < sizeof(*e) - sizeof(e->size))
			panic("boot: memory map entry of %u bytes", e->size);
		add_region(boot, e->addr, e->length, e->type);
		at += e->size + sizeof(e->size);
	}
	boot->rsdp = acpi_find_rsdp();
}

void boot_info_parse(struct boot_info *boot, u32 magic, paddr_t info)
{
	if (magic == PVH_START_MAGIC)
		parse_pvh(boot, info);
	else if (magic == MULTIBOOT_BOOT_MAGIC)
		parse_multiboot(boot, info);
	else
		panic("boot: unknown loader, magic %#x", magic);
}

paddr_t boot_ram_end(const struct boot_info *boot)
{
	paddr_t end = 0;

	for (u32 i = 0; i < boot->region_count; i++) {
		if (boot->region[i].ram)
			end = MAX(end, boot->region[i].end);
	}
	return MIN(end, DIRECT_MAP_LIMIT);
}

paddr_t boot_low_page(const struct boot_info *boot)
{
	for (u32 i = 0; i < boot->region_count; i++) {
		const struct boot_region *r = &boot->region[i];
		paddr_t page = ALIGN_DOWN(MIN(r->end, LOW_RAM_END), PAGE_SIZE) - PAGE_SIZE;

		if (r->ram && r->end >= 2 * PAGE_SIZE && page >= r->start && page != 0)
			return page;
	}
	panic("boot: no RAM below 640 KiB to start CPUs in");
}

bool boot_has_ram(const struct boot_info *boot, paddr_t start, paddr_t end)
{
	for (u32 i = 0; i < boot->region_count; i++) {
		const struct boot_region *r = &boot->region[i];

		if (r->ram && r->start < end && start < r->end)
			return true;
	}
	return false;
}
