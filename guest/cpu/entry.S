/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt entry: one stub a vector, 16 bytes apart, all to one frame (struct trap_frame).
 *
 * In the kernel the GS base is this CPU's struct cpu and KERNEL_GS_BASE is ring 3's, which is
 * 0; in ring 3 it is the other way round. A MOV to GS in ring 3 loads the base that the GDT
 * has, 0, so the kernel's must not be in force there; no other base can be had, for CR4.FSGSBASE
 * is off.
 */
#define MSR_GS_BASE	  0xc0000101
#define VECTOR_FIRST_IRQ 0x20 /* cpu/irq.h */

/* Offsets from RSP. */
#define CS_AFTER_STUB 24
#define IF_AFTER_STUB 33 /* the byte of RFLAGS in which bit 1 is IF */
#define FRAME_CS      (15 * 8 + CS_AFTER_STUB)

.macro save_registers
	pushq %rax
	pushq %rbx
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %rbp
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	cld
.endm

.macro restore_registers
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rbp
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rbx
	popq %rax
.endm

	.text
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set vector, 0
	.rept 256
	.balign 16
	/* #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC and #SX push an error code themselves. */
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
	pushq $0
	.endif
	pushq $vector
	.if vector == 2 || vector == 8 || vector == 18
	jmp event_entry
	.else
	jmp trap_entry
	.endif
	.set vector, vector + 1
	.endr

/* All but the machine events: the GS base is ring 3's exactly if CS is. */
	.balign 16
trap_entry:
	testb $3, CS_AFTER_STUB(%rsp)
	jz 3f
	swapgs
2:	save_registers
	testb $3, FRAME_CS(%rsp)
	jz 1f
	xorl %ebp, %ebp /* backtraces end here */
1:	movq %rsp, %rdi
	call trap_dispatch
	jmp trap_return

/*
 * From the kernel: an interrupt with interrupts off is not taken (irq_while_off() in cpu/irq.h). It may
 * come between an entry from ring 3 and its SWAPGS, so nothing here needs the GS base.
 */
3:	cmpq $VECTOR_FIRST_IRQ, (%rsp)
	jb 2b
	testb $2, IF_AFTER_STUB(%rsp)
	jnz 2b
	lock incq irqs_while_off(%rip)
	addq $16, %rsp
	iretq

/* RSP: a frame. Interrupts off. To ring 3 its RIP is canonical: IRETQ must not fault here. */
	.globl trap_return
trap_return:
	restore_registers
	testb $3, CS_AFTER_STUB(%rsp)
	jz 1f
	swapgs
1:	addq $16, %rsp
	iretq

/*
 * NMI, #DF, #MC: they may come between an entry from ring 3 and its SWAPGS, or between the SWAPGS
 * and the IRETQ. The base itself tells: the kernel's is in the upper half, ring 3's is not. None
 * of them returns: trap_dispatch() stops the machine.
 */
	.balign 16
event_entry:
	save_registers
	movl $MSR_GS_BASE, %ecx
	rdmsr
	testl %edx, %edx
	js 1f
	swapgs
1:	movq %rsp, %rdi
	call trap_dispatch
	ud2
