/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/boot/acpi.h"
#include "guest/cpu/paging.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"

#define ACPI_TABLE_MAX (1u << 20) /* bytes; a MADT of 4,096 CPUs has 64 KiB */

#define EBDA_SEGMENT  0x40e /* BIOS data area: real-mode segment of the EBDA */
#define EBDA_SEARCHED 1024u
#define BIOS_START    0xe0000u
#define BIOS_END      0x100000u

struct acpi_rsdp {
	char signature[8];
	u8 checksum;
	char oem[6];
	u8 revision;
	u32 rsdt;
	u32 length; /* from here on: revision 2 */
	u64 xsdt;
	u8 extended_checksum;
	u8 reserved[3];
} __attribute__((packed));

#define RSDP_V1_BYTES 20u

struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem[6], oem_table[8];
	u32 oem_revision, creator, creator_revision;
} __attribute__((packed));

struct acpi_madt {
	struct acpi_header header;
	u32 lapic_address;
	u32 flags;
} __attribute__((packed));

#define MADT_LAPIC   0
#define MADT_X2APIC  9
#define MADT_ENABLED (1u << 0)
#define LAPIC_NO_ID  0xffu
#define X2APIC_NO_ID 0xffffffffu

struct madt_lapic {
	u8 type, length, acpi_id, apic_id;
	u32 flags;
} __attribute__((packed));

struct madt_x2apic {
	u8 type, length;
	u16 reserved;
	u32 apic_id, flags, acpi_uid;
} __attribute__((packed));

static bool checksum_ok(const void *table, u32 length)
{
	const u8 *p = table;
	u8 sum = 0;

	for (u32 i = 0; i < length; i++)
		sum = (u8)(sum + p[i]);
	return sum == 0;
}

static bool is_rsdp(paddr_t pa)
{
	const void *p = phys_to_virt(pa);

	return memcmp(p, "RSD PTR ", 8) == 0 && checksum_ok(p, RSDP_V1_BYTES);
}

static paddr_t search_rsdp(paddr_t start, paddr_t end)
{
	for (paddr_t pa = ALIGN_UP(start, 16); pa + RSDP_V1_BYTES <= end; pa += 16) {
		if (is_rsdp(pa))
			return pa;
	}
	return 0;
}

paddr_t acpi_find_rsdp(void)
{
	u16 segment;
	paddr_t ebda, found = 0;

	memcpy(&segment, phys_to_virt(EBDA_SEGMENT), sizeof(segment));
	ebda = (paddr_t)segment << 4;
	if (ebda)
		found = search_rsdp(ebda, ebda + EBDA_SEARCHED);
	return found ? found : search_rsdp(BIOS_START, BIOS_END);
}

/* The header of a table: checked to be mapped, and nothing else. */
static const struct acpi_header *header_at(paddr_t pa)
{
	if (pa == 0 || pa > BOOT_MAPPED - sizeof(struct acpi_header))
		panic("acpi: table at %#llx is out of reach", (unsigned long long)pa);
	return phys_to_virt(pa);
}

static const struct acpi_header *table_at(paddr_t pa)
{
	const struct acpi_header *t = header_at(pa);

	if (t->length < sizeof(*t) || t->length > ACPI_TABLE_MAX || t->length > BOOT_MAPPED - pa)
		panic("acpi: table at %#llx has %u bytes", (unsigned long long)pa, t->length);
	if (!checksum_ok(t, t->length))
		panic("acpi: table %.4s at %#llx has a bad checksum", t->signature,
		      (unsigned long long)pa);
	return t;
}

/* Looks through the RSDT (4-byte entries) or the XSDT (8-byte entries). */
static const struct acpi_header *find_table(paddr_t root, u32 entry_size, const char *signature)
{
	const struct acpi_header *rsdt = table_at(root);
	const u8 *entry = (const u8 *)(rsdt + 1);
	const u8 *end = (const u8 *)rsdt + rsdt->length;

	for (; entry + entry_size <= end; entry += entry_size) {
		u64 pa = 0;

		memcpy(&pa, entry, entry_size);
		if (pa && memcmp(header_at(pa)->signature, signature, 4) == 0)
			return table_at(pa);
	}
	return NULL;
}

static u32 add_id(u32 *ids, u32 count, u32 max, u32 id)
{
	for (u32 i = 0; i < count; i++) {
		if (ids[i] == id)
			return count;
	}
	if (count < max)
		ids[count++] = id;
	return count;
}

static u32 add_entry(u32 *ids, u32 count, u32 max, const u8 *entry)
{
	if (entry[0] == MADT_LAPIC && entry[1] >= sizeof(struct madt_lapic)) {
		const struct madt_lapic *e = (const void *)entry;

		if (e->flags & MADT_ENABLED && e->apic_id != LAPIC_NO_ID)
			return add_id(ids, count, max, e->apic_id);
	} else if (entry[0] == MADT_X2APIC && entry[1] >= sizeof(struct madt_x2apic)) {
		const struct madt_x2apic *e = (const void *)entry;

		if (e->flags & MADT_ENABLED && e->apic_id != X2APIC_NO_ID)
			return add_id(ids, count, max, e->apic_id);
	}
	return count;
}

u32 acpi_cpu_ids(paddr_t rsdp_pa, u32 *ids, u32 max)
{
	const struct acpi_rsdp *rsdp;
	const struct acpi_header *madt;
	const u8 *entry, *end;
	u32 count = 0;

	if (rsdp_pa == 0)
		return 0;
	if (rsdp_pa > BOOT_MAPPED - sizeof(*rsdp) || !is_rsdp(rsdp_pa))
		panic("acpi: no RSDP at %#llx", (unsigned long long)rsdp_pa);
	rsdp = phys_to_virt(rsdp_pa);
	if (rsdp->revision >= 2 && rsdp->xsdt)
		madt = find_table(rsdp->xsdt, 8, "APIC");
	else
		madt = find_table(rsdp->rsdt, 4, "APIC");
	if (!madt)
		return 0;
	entry = (const u8 *)madt + sizeof(struct acpi_madt);
	end = (const u8 *)madt + madt->length;
	for (; entry + 2 <= end && entry[1] >= 2 && entry + entry[1] <= end; entry += entry[1])
		count = add_entry(ids, count, max, entry);
	return count;
}
