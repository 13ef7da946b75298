/* SPDX-License-Identifier: BSD-2-Clause */
/* The cases of program `hostile`, one function each. */
#ifndef GUEST_USER_PROGRAMS_HOSTILE_H
#define GUEST_USER_PROGRAMS_HOSTILE_H

#include "guest/user/hostile.h"
#include "guest/user/programs/program.h"

#define NOT_CANONICAL 0x0000800000000000ul /* the first address that is none */

/* Instructions, with operands; they may change RAX, RCX and RDX. */
#define DO(insns, ...) __asm__ volatile(insns ::__VA_ARGS__ : "rax", "rcx", "rdx", "memory", "cc")

/* A system call with a number that there is not. */
#define BAD_CALL "movq $-1, %%rax; int $0x80;"

#define HOSTILE_DECLARE(fn, what, vectors, error) void do_##fn(void);
HOSTILE_CASES(HOSTILE_DECLARE)
#undef HOSTILE_DECLARE

#endif
