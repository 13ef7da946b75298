/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions: the register frame, and code that may fault and go on. */
#ifndef GUEST_CPU_TRAP_H
#define GUEST_CPU_TRAP_H

#include "guest/lib/types.h"

#define TRAP_NMI 2
#define TRAP_BP	 3
#define TRAP_UD	 6
#define TRAP_DF	 8
#define TRAP_GP	 13
#define TRAP_PF	 14
#define TRAP_MC	 18

#define PF_PRESENT  (1u << 0) /* error code: the entry was present, access was refused */
#define PF_WRITE    (1u << 1)
#define PF_USER	    (1u << 2)
#define PF_RESERVED (1u << 3) /* an entry has a reserved bit set */
#define PF_FETCH    (1u << 4)

/* As cpu/entry.S pushes it. */
struct trap_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/* Whether it interrupted ring 3. */
static inline bool trap_from_user(const struct trap_frame *f)
{
	return f->cs & 3;
}

/*
 * Where this CPU's next entry from ring 3 pushes its frame: in the stack of the
 * thread that goes there. At each switch to such a thread, interrupts off. 16-byte
 * aligned.
 */
void trap_set_stack(u64 top);

/*
 * The fallible forms return 0, or the vector of the exception the access
 * raised (then out parameters are undefined). No exception but the access's
 * own is caught.
 */
u32 try_read64(const volatile void *p, u64 *value);
u32 try_write64(volatile void *p, u64 value);
u32 try_read8(const volatile void *p, u8 *value);
u32 try_write8(volatile void *p, u8 value);
u32 try_rdmsr(u32 msr, u64 *value);
u32 try_wrmsr(u32 msr, u64 value);

/* Loads the descriptor tables and the IDT on this CPU; once a CPU, before interrupts. */
struct cpu;
void trap_init_cpu(struct cpu *cpu);

#endif
