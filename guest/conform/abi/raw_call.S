/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/abi/raw_call.h"

	.text
/* void raw_call_registers(struct raw_call *) */
	.balign 16
	.globl raw_call_registers
raw_call_registers:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdi
	pushq RAW_TARGET(%rdi)
	movq RAW_RAX(%rdi), %rax
	movq RAW_RBX(%rdi), %rbx
	movq RAW_RCX(%rdi), %rcx
	movq RAW_RDX(%rdi), %rdx
	movq RAW_RSI(%rdi), %rsi
	movq RAW_R8(%rdi), %r8
	movq RAW_R9(%rdi), %r9
	movq RAW_R10(%rdi), %r10
	movq RAW_R12(%rdi), %r12
	movq RAW_R13(%rdi), %r13
	movq RAW_R14(%rdi), %r14
	movq RAW_R15(%rdi), %r15
	movq RAW_RBP(%rdi), %rbp
	movq RAW_RDI(%rdi), %rdi
	call *(%rsp)
	addq $8, %rsp
	xchgq %rax, (%rsp) /* RAX: the structure; on the stack: the result */
	movq %rbx, RAW_RBX(%rax)
	movq %rcx, RAW_RCX(%rax)
	movq %rdx, RAW_RDX(%rax)
	movq %rsi, RAW_RSI(%rax)
	movq %rdi, RAW_RDI(%rax)
	movq %r8, RAW_R8(%rax)
	movq %r9, RAW_R9(%rax)
	movq %r10, RAW_R10(%rax)
	movq %r12, RAW_R12(%rax)
	movq %r13, RAW_R13(%rax)
	movq %r14, RAW_R14(%rax)
	movq %r15, RAW_R15(%rax)
	movq %rbp, RAW_RBP(%rax)
	popq RAW_RAX(%rax)
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret

/* void raw_load_xmm(const u64 *): 12 words. CR0.EM is clear and CR4.OSFXSR set. */
	.balign 16
	.globl raw_load_xmm
raw_load_xmm:
	movups (%rdi), %xmm0
	movups 16(%rdi), %xmm1
	movups 32(%rdi), %xmm2
	movups 48(%rdi), %xmm3
	movups 64(%rdi), %xmm4
	movups 80(%rdi), %xmm5
	ret

/*
 * Where code goes on that has faulted as raw_call_registers()'s target; the handler has put the
 * vector into R11. On the stack: return address, target, the structure.
 */
	.balign 16
raw_faulted:
	movq 16(%rsp), %rcx
	movq %r11, RAW_FAULT(%rcx)
	ret

	.globl raw_vmcall, raw_vmmcall
raw_vmcall:
	vmcall
	ret
raw_vmmcall:
	vmmcall
	ret

/*
 * What may fault, besides: the first instruction of a page, and the one behind 5 bytes
 * (KVM prefixes Hyper-V's with an OR of EAX where Xen is on; Xen's stubs begin with a MOV to EAX).
 */
	.pushsection .extable, "a"
	.quad raw_vmcall, raw_faulted
	.quad raw_vmmcall, raw_faulted
	.quad hypercall_code_hyperv, raw_faulted
	.quad hypercall_code_hyperv + 5, raw_faulted
	.quad hypercall_code_hyperflush, raw_faulted
	.quad hypercall_code_xen + 34 * 32 + 5, raw_faulted /* XEN_HVM_OP's stub */
	.popsection
	.section .note.GNU-stack, "", @progbits
