/* SPDX-License-Identifier: BSD-2-Clause */
/* The one thing we want from ACPI (6.5, ch. 5.2): which local APICs there are. */
#ifndef GUEST_BOOT_ACPI_H
#define GUEST_BOOT_ACPI_H

#include "guest/lib/types.h"

/*
 * Stores the APIC ids of the enabled CPUs in MADT order, each once, at most
 * `max`. Returns their number: 0 if rsdp is 0 or there is no MADT.
 * Panics if a table on the way is damaged or beyond 4 GiB.
 */
u32 acpi_cpu_ids(paddr_t rsdp, u32 *ids, u32 max);

/* Looks for an RSDP in the EBDA and the BIOS area; 0 if there is none. */
paddr_t acpi_find_rsdp(void);

#endif
