/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ACPI tables by which a guest finds its CPUs (ACPI 6.5, chapter 5): RSDP,
 * XSDT, FADT of a hardware-reduced machine, an empty DSDT, MADT. Pure.
 */
#ifndef HF_VMM_ACPI_H
#define HF_VMM_ACPI_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes the tables for `vcpus` CPUs (APIC id = index) to buf as they are to
 * lie at `gpa` (16-byte aligned); the RSDP comes first. Returns the bytes
 * used, or 0 if they do not fit into `size`.
 */
size_t acpi_build(void *buf, size_t size, uint64_t gpa, unsigned vcpus);

#endif
