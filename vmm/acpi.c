/* SPDX-License-Identifier: BSD-2-Clause */
#include "acpi.h"

#include <stdbool.h>
#include <string.h>

#define PACKED __attribute__((packed))

#define LAPIC_GPA  0xfee00000u
#define IOAPIC_GPA 0xfec00000u

#define XAPIC_IDS	255u /* ids from here on need an x2APIC entry (ACPI 6.5, 5.2.12.12) */
#define MADT_LAPIC	0
#define MADT_IOAPIC	1
#define MADT_X2APIC	9
#define MADT_ENABLED	1u
#define MADT_PCAT	1u /* an 8259 is there as well */
#define FADT_HW_REDUCED (1u << 20)

struct PACKED rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
};

struct PACKED table_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[6];
	char oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
};

struct PACKED xsdt {
	struct table_header header;
	uint64_t tables[2];
};

struct PACKED fadt {
	struct table_header header;
	uint32_t firmware_ctrl;
	uint32_t dsdt;
	uint8_t unused1[68];
	uint32_t flags; /* at 112 */
	uint8_t unused2[24];
	uint64_t x_dsdt; /* at 140 */
	uint8_t unused3[128];
};

struct PACKED madt {
	struct table_header header;
	uint32_t lapic_gpa;
	uint32_t flags;
};

struct PACKED madt_lapic {
	uint8_t type, length;
	uint8_t uid, apic_id;
	uint32_t flags;
};

struct PACKED madt_x2apic {
	uint8_t type, length;
	uint16_t reserved;
	uint32_t x2apic_id;
	uint32_t flags;
	uint32_t uid;
};

struct PACKED madt_ioapic {
	uint8_t type, length;
	uint8_t id, reserved;
	uint32_t gpa;
	uint32_t gsi_base;
};

_Static_assert(sizeof(struct rsdp) == 36, "ACPI 5.2.5.3");
_Static_assert(sizeof(struct table_header) == 36, "ACPI 5.2.6");
_Static_assert(__builtin_offsetof(struct fadt, flags) == 112, "ACPI 5.2.9");
_Static_assert(__builtin_offsetof(struct fadt, x_dsdt) == 140, "ACPI 5.2.9");
_Static_assert(sizeof(struct fadt) == 276, "ACPI 5.2.9");

struct writer {
	uint8_t *buf;
	size_t size, used;
	uint64_t gpa;
	bool overflow;
};

/* Room for `bytes` zero bytes at the end, or NULL. */
static void *reserve(struct writer *w, size_t bytes)
{
	if (w->overflow || bytes > w->size - w->used) {
		w->overflow = true;
		return NULL;
	}
	void *p = w->buf + w->used;
	w->used += bytes;
	return memset(p, 0, bytes);
}

static void put(struct writer *w, const void *data, size_t bytes)
{
	void *p = reserve(w, bytes);

	if (p)
		memcpy(p, data, bytes);
}

static uint64_t begin(struct writer *w)
{
	size_t aligned = (w->used + 15) & ~(size_t)15;

	reserve(w, aligned - w->used);
	return w->gpa + w->used;
}

/* The byte that makes `bytes` bytes sum to 0. */
static uint8_t checksum(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	unsigned sum = 0;

	for (size_t i = 0; i < bytes; i++)
		sum += p[i];
	return (uint8_t)-sum;
}

static struct table_header header(const char *signature, uint8_t revision)
{
	struct table_header h = { .revision = revision, .oem_revision = 1, .creator_revision = 1 };

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem, "HYPERF", sizeof(h.oem));
	memcpy(h.oem_table, "HYPERFLU", sizeof(h.oem_table));
	memcpy(h.creator, "HFLU", sizeof(h.creator));
	return h;
}

/* Fills in length and checksum of the table that starts at `gpa` and ends here. */
static void end(struct writer *w, uint64_t gpa)
{
	if (w->overflow)
		return;
	size_t at = (size_t)(gpa - w->gpa);
	struct table_header *h = (void *)(w->buf + at);
	h->length = (uint32_t)(w->used - at);
	h->checksum = checksum(h, h->length);
}

static uint64_t put_dsdt(struct writer *w)
{
	uint64_t gpa = begin(w);
	struct table_header dsdt = header("DSDT", 2);

	put(w, &dsdt, sizeof(dsdt));
	end(w, gpa);
	return gpa;
}

static uint64_t put_fadt(struct writer *w, uint64_t dsdt)
{
	uint64_t gpa = begin(w);
	struct fadt fadt = { .header = header("FACP", 6),
			     .dsdt = (uint32_t)dsdt,
			     .flags = FADT_HW_REDUCED,
			     .x_dsdt = dsdt };

	put(w, &fadt, sizeof(fadt));
	end(w, gpa);
	return gpa;
}

static void put_cpu(struct writer *w, unsigned id)
{
	if (id < XAPIC_IDS) {
		struct madt_lapic e = { MADT_LAPIC, sizeof(e), (uint8_t)id, (uint8_t)id,
					MADT_ENABLED };
		put(w, &e, sizeof(e));
	} else {
		struct madt_x2apic e = { MADT_X2APIC, sizeof(e), 0, id, MADT_ENABLED, id };
		put(w, &e, sizeof(e));
	}
}

static uint64_t put_madt(struct writer *w, unsigned vcpus)
{
	uint64_t gpa = begin(w);
	struct madt madt = { header("APIC", 5), LAPIC_GPA, MADT_PCAT };
	struct madt_ioapic ioapic = { MADT_IOAPIC, sizeof(ioapic), 0, 0, IOAPIC_GPA, 0 };

	put(w, &madt, sizeof(madt));
	for (unsigned i = 0; i < vcpus; i++)
		put_cpu(w, i);
	put(w, &ioapic, sizeof(ioapic));
	end(w, gpa);
	return gpa;
}

static uint64_t put_xsdt(struct writer *w, uint64_t fadt, uint64_t madt)
{
	uint64_t gpa = begin(w);
	struct xsdt xsdt = { header("XSDT", 1), { fadt, madt } };

	put(w, &xsdt, sizeof(xsdt));
	end(w, gpa);
	return gpa;
}

size_t acpi_build(void *buf, size_t size, uint64_t gpa, unsigned vcpus)
{
	struct writer w = { .buf = buf, .size = size, .gpa = gpa };
	struct rsdp *rsdp = reserve(&w, sizeof(*rsdp));
	uint64_t fadt = put_fadt(&w, put_dsdt(&w));
	uint64_t xsdt = put_xsdt(&w, fadt, put_madt(&w, vcpus));

	if (!rsdp || w.overflow)
		return 0;
	memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
	memcpy(rsdp->oem, "HYPERF", sizeof(rsdp->oem));
	rsdp->revision = 2;
	rsdp->length = sizeof(*rsdp);
	rsdp->xsdt = xsdt;
	rsdp->checksum = checksum(rsdp, 20);
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
	return w.used;
}
