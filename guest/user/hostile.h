/* SPDX-License-Identifier: BSD-2-Clause */
/* The provocations of program `hostile` and what each must end with. */
#ifndef GUEST_USER_HOSTILE_H
#define GUEST_USER_HOSTILE_H

/* The vectors that may end a case, as a set. */
#define HOSTILE_DE   (1u << 0)
#define HOSTILE_DB   (1u << 1)
#define HOSTILE_BP   (1u << 3)
#define HOSTILE_UD   (1u << 6)
#define HOSTILE_NM   (1u << 7)
#define HOSTILE_SS   (1u << 12)
#define HOSTILE_GP   (1u << 13)
#define HOSTILE_PF   (1u << 14)
#define HOSTILE_NONE 0u /* it survives: exit(0) */

#define ANY_ERROR 0x10000u

/*
 * QEMU 7.2's processor differs from the manual in three places: INT1 is #UD there, a push
 * to a non-canonical address #GP, and the error code of a refused INT n is n * 16 + 2
 * rather than n * 8 + 2.
 *
 * X(function, "what", vectors, error code); the functions are do_*() in programs/hostile_*.c
 */
#define HOSTILE_CASES(X)                                                                        \
	X(out, "OUT", HOSTILE_GP, 0)                                                            \
	X(in, "IN", HOSTILE_GP, 0)                                                              \
	X(cli, "CLI", HOSTILE_GP, 0)                                                            \
	X(sti, "STI", HOSTILE_GP, 0)                                                            \
	X(popf, "POPF of IOPL 3 and IF 0, then OUT", HOSTILE_GP, 0)                             \
	X(hlt, "HLT", HOSTILE_GP, 0)                                                            \
	X(read_cr3, "MOV from CR3", HOSTILE_GP, 0)                                              \
	X(write_cr3, "MOV to CR3", HOSTILE_GP, 0)                                               \
	X(write_cr0, "MOV to CR0", HOSTILE_GP, 0)                                               \
	X(write_cr4, "MOV to CR4", HOSTILE_GP, 0)                                               \
	X(write_dr7, "MOV to DR7", HOSTILE_GP, 0)                                               \
	X(rdmsr, "RDMSR", HOSTILE_GP, 0)                                                        \
	X(wrmsr, "WRMSR of the GS base", HOSTILE_GP, 0)                                         \
	X(swapgs, "SWAPGS", HOSTILE_GP, 0)                                                      \
	X(wrgsbase, "WRGSBASE", HOSTILE_UD, 0)                                                  \
	X(lgdt, "LGDT", HOSTILE_GP, 0)                                                          \
	X(lidt, "LIDT", HOSTILE_GP, 0)                                                          \
	X(ltr, "LTR", HOSTILE_GP, 0)                                                            \
	X(invlpg, "INVLPG", HOSTILE_GP, 0)                                                      \
	X(syscall, "SYSCALL", HOSTILE_UD, 0)                                                    \
	X(x87, "an x87 instruction", HOSTILE_NM, 0)                                             \
	X(sse, "an SSE instruction", HOSTILE_UD, 0)                                             \
	X(ud2, "UD2", HOSTILE_UD, 0)                                                            \
	X(divide, "a division by 0", HOSTILE_DE, 0)                                             \
	X(int1, "INT1", HOSTILE_DB | HOSTILE_UD, 0)                                             \
	X(step, "a single step", HOSTILE_DB, 0)                                                 \
	X(step_call, "a single step over a system call", HOSTILE_DB, 0)                         \
	X(int3, "INT3", HOSTILE_BP, 0)                                                          \
	X(int_nmi, "INT of the NMI's vector", HOSTILE_GP, ANY_ERROR)                            \
	X(int_pf, "INT of #PF's vector", HOSTILE_GP, ANY_ERROR)                                 \
	X(int_ipi, "INT of an IPI's vector", HOSTILE_GP, ANY_ERROR)                             \
	X(kernel_cs, "a far return to the kernel's CS", HOSTILE_GP, 0x08)                       \
	X(iret, "an IRET to ring 0", HOSTILE_GP, 0x08)                                          \
	X(kernel_ss, "MOV of the kernel's SS", HOSTILE_GP, 0x10)                                \
	X(tss_ds, "MOV of the TSS to DS", HOSTILE_GP, 0x28)                                     \
	X(null_read, "a read at 0", HOSTILE_PF, 4)                                              \
	X(null_write, "a write at 0", HOSTILE_PF, 6)                                            \
	X(direct_map, "a read of the direct map", HOSTILE_PF, 5)                                \
	X(kernel_write, "a write to the kernel's text", HOSTILE_PF, 7)                          \
	X(text_write, "a write to its own text", HOSTILE_PF, 7)                                 \
	X(not_canonical, "a read of a non-canonical address", HOSTILE_GP, 0)                    \
	X(stack_not_canonical, "a push to a non-canonical address", HOSTILE_SS | HOSTILE_GP, 0) \
	X(stack_overflow, "a stack overflow", HOSTILE_PF, 6)                                    \
	X(jump_null, "a jump to 0", HOSTILE_PF, 0x14)                                           \
	X(jump_stack, "a jump to its stack", HOSTILE_PF, 0x15)                                  \
	X(jump_kernel, "a jump to the kernel's text", HOSTILE_PF, 0x15)                         \
	X(jump_not_canonical, "a jump to a non-canonical address", HOSTILE_GP, 0)               \
	X(read_only, "a write to what it has made read-only", HOSTILE_PF, 7)                    \
	X(no_access, "a read of what it has made inaccessible", HOSTILE_PF, ANY_ERROR)          \
	X(unmapped, "a read of what it has unmapped", HOSTILE_PF, 4)                            \
	X(gs_null, "a null GS, then system calls", HOSTILE_NONE, 0)                             \
	X(gs_data, "user data as GS, then system calls", HOSTILE_NONE, 0)                       \
	X(stack_kernel, "a system call with a kernel address in RSP", HOSTILE_NONE, 0)          \
	X(stack_wild, "a system call with a non-canonical RSP", HOSTILE_NONE, 0)                \
	X(flags, "system calls with AC, DF, ID and NT set", HOSTILE_NONE, 0)                    \
	X(base_pointer, "a system call with a wild RBP", HOSTILE_NONE, 0)                       \
	X(bad_calls, "system calls with bad numbers and addresses", HOSTILE_NONE, 0)            \
	X(top_page, "a mapping of the last page of the lower half", HOSTILE_NONE, 0)            \
	X(fork_bomb, "forks without end", HOSTILE_NONE, 0)

enum hostile_case {
#define HOSTILE_ENUM(fn, what, vectors, error) HOSTILE_##fn,
	HOSTILE_CASES(HOSTILE_ENUM)
#undef HOSTILE_ENUM
		HOSTILE_COUNT
};

#endif
