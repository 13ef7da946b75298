/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt vectors, their handlers, and the interrupt flag. */
#ifndef GUEST_CPU_IRQ_H
#define GUEST_CPU_IRQ_H

#include "guest/cpu/msr.h"
#include "guest/cpu/trap.h"
#include "guest/lib/types.h"

enum vector {
	VECTOR_FIRST_IRQ = 0x20,
	VECTOR_TEST = 0x40,    /* suites */
	VECTOR_SYSCALL = 0x80, /* INT from ring 3; no interrupt */
	VECTOR_FLUSH = 0xf0,   /* guest/flush */
	VECTOR_WAKE = 0xf1,    /* thread_wake() of a halted CPU */
	VECTOR_TICK = 0xf2,    /* local APIC timer */
	VECTOR_SPURIOUS = 0xff,
};

#define VECTOR_COUNT 256

/*
 * Installs the handler of a vector (0x20 to 0xfe), on all CPUs; a vector has one
 * handler, set at boot or by the suite that owns it. It runs with interrupts
 * off on the interrupted thread's stack; the caller sends the EOI afterwards
 * and then reschedules if need be. Panics if the vector is taken.
 */
void irq_register(u8 vector, void (*fn)(struct trap_frame *frame));

/* Takes the handler away again. No such interrupt may come after that: it panics. */
void irq_unregister(u8 vector);

/* How many interrupts of that vector the CPU has taken. Exact on the CPU itself. */
u64 irq_count(u32 cpu, u8 vector);

/*
 * How many interrupts came to CPUs that had interrupts off, all CPUs together. A processor
 * holds those back (SDM vol. 3A §6.8.1). QEMU's SVM does not always: it may deliver a vector
 * that VMRUN has injected once more, into that vector's own handler (tests/testbed/README.md).
 * They are neither handled nor counted nor ended by an EOI, which is the first delivery's.
 */
u64 irq_while_off(void);

static inline bool irq_enabled(void)
{
	u64 flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags)::"memory");
	return flags & RFLAGS_IF;
}

static inline void irq_disable(void)
{
	__asm__ volatile("cli" ::: "memory");
}

static inline void irq_enable(void)
{
	__asm__ volatile("sti" ::: "memory");
}

/* Disables interrupts; returns what irq_restore() needs. Pairs nest. */
static inline bool irq_save(void)
{
	bool was = irq_enabled();

	irq_disable();
	return was;
}

static inline void irq_restore(bool was)
{
	if (was)
		irq_enable();
}

/*
 * With interrupts off: halts until one arrives and takes it. STI holds
 * interrupts off for one instruction, so none is lost before the HLT. Returns
 * with interrupts on.
 */
static inline void irq_enable_and_halt(void)
{
	__asm__ volatile("sti; hlt" ::: "memory");
}

#endif
