/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code pages into which the host writes its hypercall instruction. INT3 until
 * then: a call before the page is registered is caught.
 */
	.section .text.hypercall, "ax", @progbits
	.balign 4096
	.globl hypercall_code_hyperv, hypercall_code_xen, hypercall_code_hyperflush
hypercall_code_hyperv:
	.fill 4096, 1, 0xcc
hypercall_code_xen:
	.fill 4096, 1, 0xcc
hypercall_code_hyperflush:
	.fill 4096, 1, 0xcc
	.section .note.GNU-stack, "", @progbits
