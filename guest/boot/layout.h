/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses and selectors that C, assembly and the linker script share. */
#ifndef GUEST_BOOT_LAYOUT_H
#define GUEST_BOOT_LAYOUT_H

#define KERNEL_BASE	0xffffffff80000000 /* image: va = KERNEL_BASE + pa */
#define KERNEL_PHYS	0x100000	   /* the image's first byte */
#define DIRECT_MAP_BASE 0xffff888000000000 /* RAM: va = DIRECT_MAP_BASE + pa */
#define BOOT_MAPPED	0x100000000	   /* bytes of RAM that the boot page tables map there */

/*
 * Selectors: of the boot GDT and of each CPU's GDT; then of the boot GDT only; then of
 * each CPU's only. Ring 3's are in the order SYSRET wants (IA32_STAR[63:48] = SEL_DATA | 3).
 */
#define SEL_CODE64    0x08
#define SEL_DATA      0x10
#define SEL_CODE32    0x18
#define SEL_USER_DATA 0x1b
#define SEL_USER_CODE 0x23
#define SEL_TSS	      0x28 /* two entries */

#define USER_TEXT 0x400000 /* where every address space has the user programs */

#define BOOT_STACK_SIZE 16384

#endif
