/* SPDX-License-Identifier: BSD-2-Clause */
/* Bringing the CPUs up. */
#ifndef GUEST_CPU_SMP_H
#define GUEST_CPU_SMP_H

#include "guest/boot/bootinfo.h"
#include "guest/lib/types.h"

/* Makes the boot CPU CPU 0: this_cpu() and traps work from here on. First of all. */
void smp_init_boot_cpu(void);

/*
 * Starts the other CPUs of `ids` (APIC ids), up to `limit` CPUs in all, and
 * waits until each idles with interrupts on; panics with the number of one
 * that does not get there. On CPU 0, after the scheduler is up there.
 */
void smp_start(const struct boot_info *boot, const u32 *ids, u32 count, u32 limit);

#endif
