/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/apic.h"
#include "guest/cpu/irq.h"
#include "guest/cpu/panic.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/print.h"
#include "guest/sched/thread.h"

typedef void irq_handler(struct trap_frame *frame);

static irq_handler *handlers[VECTOR_COUNT];

extern u64 irqs_while_off;
u64 irqs_while_off; /* cpu/entry.S adds */

void irq_register(u8 vector, irq_handler *fn)
{
	irq_handler *nobody = NULL;

	ASSERT(vector >= VECTOR_FIRST_IRQ && vector != VECTOR_SPURIOUS && vector != VECTOR_SYSCALL);
	if (!__atomic_compare_exchange_n(&handlers[vector], &nobody, fn, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		panic("irq: vector %#x is taken", vector);
}

void irq_unregister(u8 vector)
{
	__atomic_store_n(&handlers[vector], NULL, __ATOMIC_SEQ_CST);
}

u64 irq_count(u32 cpu, u8 vector)
{
	return __atomic_load_n(&cpu_by_id(cpu)->irqs[vector], __ATOMIC_ACQUIRE);
}

u64 irq_while_off(void)
{
	return __atomic_load_n(&irqs_while_off, __ATOMIC_RELAXED);
}

void irq_dispatch(struct trap_frame *f);

/* From trap_dispatch(). */
void irq_dispatch(struct trap_frame *f)
{
	struct cpu *cpu = this_cpu();
	irq_handler *fn = __atomic_load_n(&handlers[f->vector], __ATOMIC_ACQUIRE);

	if (f->vector == VECTOR_SPURIOUS)
		return; /* not in service: no EOI */
	if (!fn)
		panic_at(f, "interrupt %#lx has no handler", f->vector);
	fn(f);
	__atomic_store_n(&cpu->irqs[f->vector], cpu->irqs[f->vector] + 1, __ATOMIC_RELEASE);
	apic_eoi();
	sched_irq_exit();
}
