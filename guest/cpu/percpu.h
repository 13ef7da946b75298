/* SPDX-License-Identifier: BSD-2-Clause */
/* What each CPU owns, reached through the GS base. */
#ifndef GUEST_CPU_PERCPU_H
#define GUEST_CPU_PERCPU_H

#include "guest/cpu/irq.h"
#include "guest/lib/cpumask.h"
#include "guest/lib/types.h"
#include "guest/mm/mm_cpu.h"
#include "guest/sched/spinlock.h"

struct thread;

struct cpu {
	struct cpu *self; /* at offset 0: this_cpu() reads it */
	u32 id;		  /* 0 to cpu_count()-1; 0 is the boot CPU, the others in MADT order */
	u32 apic_id;
	u32 apic_ldr; /* x2APIC: cluster << 16 | bit; xAPIC: cluster << 4 | bit */
	bool tick_on;

	struct mm_cpu mm;

	/* sched/: owned by this CPU, but for `lock` and what it guards */
	struct thread *current;
	struct thread *idle;
	u32 preempt_count;
	bool need_resched;
	struct spinlock lock;	   /* guards the run queue */
	struct thread *queue_head; /* runnable, without the one that runs */
	struct thread *queue_tail;
	bool halted;   /* idle is about to halt or halted; pairs with thread_wake() */
	u64 wake_ipis; /* sent to other CPUs */
	u64 switches;
	struct thread *switched_from; /* for the thread that comes next; under `lock` */

	u64 irqs[VECTOR_COUNT]; /* taken, by vector */

	struct cpu_tables *tables; /* GDT, TSS and the stacks of the IST; cpu/trap.c */
};

/*
 * This CPU. Threads do not migrate, so the answer holds for the calling
 * thread's whole life, preemption or not.
 */
static inline struct cpu *this_cpu(void)
{
	struct cpu *c;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(c)); /* not to be moved before GS is set */
	return c;
}

static inline u32 cpu_id(void)
{
	return this_cpu()->id;
}

/* CPUs that are up. Constant once boot is over. */
u32 cpu_count(void);
struct cpu *cpu_by_id(u32 id); /* id < cpu_count() */
const struct cpumask *cpus_online(void);

/* What guest/mm/ keeps for this CPU, and for one that is up. */
static inline struct mm_cpu *this_mm_cpu(void)
{
	return &this_cpu()->mm;
}

static inline struct mm_cpu *mm_cpu(u32 id)
{
	return &cpu_by_id(id)->mm;
}

#endif
