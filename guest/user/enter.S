/* SPDX-License-Identifier: BSD-2-Clause */
	.text
/*
 * void user_run(const struct trap_frame *frame, u64 *kernel_rsp): to ring 3, with these registers.
 * Interrupts off. It returns when user_leave() is called with what it stored in *kernel_rsp, which
 * is also where the CPU pushes when it comes from ring 3.
 */
	.balign 16
	.globl user_run
user_run:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	subq $8, %rsp /* frames begin 16-byte aligned */
	movq %rsp, (%rsi)
	movq %rdi, %rbx
	movq %rsp, %rdi
	call trap_set_stack
	movq %rbx, %rsp
	jmp trap_return

/* _Noreturn void user_leave(u64 kernel_rsp): gives up all that is on the stack below user_run(). */
	.balign 16
	.globl user_leave
user_leave:
	movq %rdi, %rsp
	addq $8, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
