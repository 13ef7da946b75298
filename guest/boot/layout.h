/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses and selectors that C, assembly and the linker script share. */
#ifndef GUEST_BOOT_LAYOUT_H
#define GUEST_BOOT_LAYOUT_H

#define KERNEL_BASE	0xffffffff80000000 /* image: va = KERNEL_BASE + pa */
#define KERNEL_PHYS	0x100000	   /* the image's first byte */
#define DIRECT_MAP_BASE 0xffff888000000000 /* RAM: va = DIRECT_MAP_BASE + pa */

/* Code and data selectors of the boot GDT and of each CPU's GDT. */
#define SEL_CODE64 0x08
#define SEL_DATA   0x10
#define SEL_TSS	   0x18 /* each CPU's GDT only */
#define SEL_CODE32 0x18 /* boot GDT only */

#define BOOT_STACK_SIZE 16384

#endif
