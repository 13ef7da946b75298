/* SPDX-License-Identifier: BSD-2-Clause */
/* One call into the hypervisor with any registers, which may fault; and from ring 3. */
#ifndef GUEST_CONFORM_ABI_RAW_CALL_H
#define GUEST_CONFORM_ABI_RAW_CALL_H

/* Offsets in struct raw_call, for raw_call.S. */
#define RAW_RAX	   0
#define RAW_RBX	   8
#define RAW_RCX	   16
#define RAW_RDX	   24
#define RAW_RSI	   32
#define RAW_RDI	   40
#define RAW_R8	   48
#define RAW_R9	   56
#define RAW_R10	   64
#define RAW_R12	   72
#define RAW_R13	   80
#define RAW_R14	   88
#define RAW_R15	   96
#define RAW_RBP	   104
#define RAW_TARGET 112
#define RAW_FAULT  120
#define RAW_XMM	   128

#ifndef __ASSEMBLER__
#include "guest/lib/types.h"

#define RAW_XMM_WORDS 12u /* XMM0 to XMM5, low half first */

/* Registers in and out. R11 and, of the vectors, what is not in `xmm` are scratch. */
struct raw_call {
	u64 rax, rbx, rcx, rdx, rsi, rdi, r8, r9, r10, r12, r13, r14, r15, rbp;
	const void *target; /* code that is called, and returns or faults: in a hypercall page, or
			       raw_bare() */
	u64 fault; /* out: 0, or the vector of its exception; then the registers are void */
	u64 xmm[RAW_XMM_WORDS];
	bool use_xmm; /* load `xmm` first */
};

_Static_assert(offsetof(struct raw_call, rbp) == RAW_RBP, "raw_call.S");
_Static_assert(offsetof(struct raw_call, target) == RAW_TARGET, "raw_call.S");
_Static_assert(offsetof(struct raw_call, fault) == RAW_FAULT, "raw_call.S");
_Static_assert(offsetof(struct raw_call, xmm) == RAW_XMM, "raw_call.S");

/* Makes the call on this CPU. Thread context. */
void raw_call(struct raw_call *c);

/* This CPU's hypercall instruction (VMMCALL on AMD and Hygon, else VMCALL), and a return. */
const void *raw_bare(void);

enum raw_user {
	RAW_USER_BARE, /* the vendor's hypercall instruction */
	RAW_USER_OUT,  /* OUT of 32 bits; `target` is the port */
};

/*
 * The same instruction in ring 3, on CPU 0, with RAX, RCX, RDX, RSI, RDI and R8 of *c (RAW_USER_OUT
 * has the port in RDX). Fills `fault`, or RAX. False: the program ended in some other way.
 */
bool raw_call_user(struct raw_call *c, enum raw_user how);

#endif
#endif
