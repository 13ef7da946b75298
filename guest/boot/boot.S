/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the loader's 32-bit protected mode (PVH, multiboot) or an AP's real mode
 * to C at the image's high addresses. CPUs come in on boot_pml4, which maps the low
 * 4 GiB at 0 and at DIRECT_MAP_BASE, and the first of them at KERNEL_BASE.
 */
#include "guest/boot/layout.h"
#include "shared/pvh_abi.h"

#define PHYS(sym) ((sym) - KERNEL_BASE)

#define MULTIBOOT_FLAGS ((1 << 1) | (1 << 16)) /* memory map, address fields valid */

#define CR0_PE_WP_PG_NE 0x80010021
#define CR0_NOT_CD_NW   0x9fffffff
#define CR4_PAE_BIT     (1 << 5)
#define EFER_MSR        0xc0000080
#define EFER_LME_BIT    (1 << 8)

	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 8, PVH_NOTE_TYPE
	.asciz "Xen"
	.quad PHYS(pvh_entry)

	.section .multiboot, "ax"
	.balign 4
multiboot_header:
	.long MULTIBOOT_HEADER_MAGIC
	.long MULTIBOOT_FLAGS
	.long -(MULTIBOOT_HEADER_MAGIC + MULTIBOOT_FLAGS)
	.long PHYS(multiboot_header)
	.long PHYS(image_start)
	.long PHYS(image_file_end)
	.long PHYS(image_end)
	.long PHYS(multiboot_entry)

	.text
	.code32
	.globl pvh_entry
pvh_entry:
	movl $PVH_START_MAGIC, %eax
multiboot_entry:
	cli
	cld
	movl %eax, %edi
	movl %ebx, %esi
	lgdt PHYS(boot_gdt_pointer)
	ljmp $SEL_CODE32, $PHYS(1f)
1:	movl $PHYS(boot_entry64), %ebp
	jmp long_mode

ap_entry32:
	movl $PHYS(ap_entry64), %ebp

/* EBP: physical address to go on at, in 64-bit mode. EDI, ESI stay. */
long_mode:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %cr4, %eax
	orl $CR4_PAE_BIT, %eax
	movl %eax, %cr4
	movl $PHYS(boot_pml4), %eax
	movl %eax, %cr3
	movl $EFER_MSR, %ecx
	rdmsr
	orl $EFER_LME_BIT, %eax
	wrmsr
	movl %cr0, %eax
	andl $CR0_NOT_CD_NW, %eax
	orl $CR0_PE_WP_PG_NE, %eax
	movl %eax, %cr0
	ljmp $SEL_CODE64, $PHYS(1f)
	.code64
1:	movl %ebp, %ebp
	jmp *%rbp

boot_entry64:
	movq $boot_stack_top, %rsp
	xorl %ebp, %ebp
	movq $boot_main, %rax
	call *%rax
	ud2

/* Each AP draws a ticket, which gets it a stack; cpu/smp.c sets both up. */
ap_entry64:
	movl $1, %edi
	lock xaddl %edi, ap_next_ticket
	movq $ap_stack_tops, %rax
	movq (%rax, %rdi, 8), %rsp
	xorl %ebp, %ebp
	movq $ap_main, %rax
	call *%rax
	ud2

/* Copied to a page below 1 MiB; runs at CS = page / 16, IP = 0. */
	.section .rodata
	.globl ap_trampoline, ap_trampoline_end
	.code16
ap_trampoline:
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	lgdtl ap_gdt_pointer - ap_trampoline
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $SEL_CODE32, $PHYS(ap_entry32)
ap_gdt_pointer:
	.word boot_gdt_end - boot_gdt - 1
	.long PHYS(boot_gdt)
ap_trampoline_end:
	.code64

	.data
	.balign 8
boot_gdt: /* accessed bits set: the CPU need not write */
	.quad 0
	.quad 0x00af9b000000ffff /* 64-bit code */
	.quad 0x00cf93000000ffff /* data */
	.quad 0x00cf9b000000ffff /* 32-bit code */
boot_gdt_end:
boot_gdt_pointer:
	.word boot_gdt_end - boot_gdt - 1
	.long PHYS(boot_gdt)

	.balign 4096
	.globl boot_pml4
boot_pml4:
	.quad PHYS(boot_pdpt_low) + 3
	.fill (DIRECT_MAP_BASE >> 39 & 511) - 1, 8, 0
	.quad PHYS(boot_pdpt_low) + 3
	.fill 511 - (DIRECT_MAP_BASE >> 39 & 511) - 1, 8, 0
	.quad PHYS(boot_pdpt_image) + 3
boot_pdpt_low:
	.set gib, 0
	.rept 4
	.quad PHYS(boot_pd) + gib * 4096 + 3
	.set gib, gib + 1
	.endr
	.fill 508, 8, 0
boot_pdpt_image:
	.fill 510, 8, 0
	.quad PHYS(boot_pd) + 3
	.quad 0
boot_pd: /* present, writable, 2 MiB */
	.set large, 0
	.rept 2048
	.quad (large << 21) + 0x83
	.set large, large + 1
	.endr

	.bss
	.balign 16
	.globl boot_stack
boot_stack:
	.skip BOOT_STACK_SIZE
boot_stack_top:
