/* SPDX-License-Identifier: BSD-2-Clause */
	.text
/*
 * void thread_switch(u64 *save_rsp, u64 load_rsp): saves the callee-saved registers on
 * this stack and goes on where the other stack's owner called it.
 */
	.balign 16
	.globl thread_switch
thread_switch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret

/* A new thread's first return goes here; see thread_create(). RBP is 0: backtraces end. */
	.balign 16
	.globl thread_first
thread_first:
	call thread_main
	ud2
