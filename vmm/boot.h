/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts a kernel into RAM and vCPU 0 at its PVH entry (Xen's
 * docs/misc/pvh.pandoc; hvm/start_info.h).
 *
 *   0xe0000  RSDP and the other ACPI tables
 *   0xf0000  start_info, memory map
 *   0xf1000  command line
 *   1 MiB    the kernel may use RAM from here on
 */
#ifndef HF_VMM_BOOT_H
#define HF_VMM_BOOT_H

struct machine;

/* Loads machine.options->kernel. 0, or -errno after machine_stop(). */
int boot_load(struct machine *m);

/* Sets vCPU 0's registers; after boot_load() and vcpu_create(). 0, or -errno after machine_stop().
 */
int boot_set_registers(struct machine *m);

#endif
