/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC (SDM vol. 3 ch. 11): IPIs, timer. x2APIC mode wherever CPUID
 * offers it, else xAPIC (QEMU's own emulation before 9.0), for at most 255 ids.
 */
#ifndef GUEST_CPU_APIC_H
#define GUEST_CPU_APIC_H

#include "guest/lib/cpumask.h"
#include "guest/lib/types.h"

/* Turns this CPU's APIC on, everything masked. Returns its id. Needs no struct cpu. */
u32 apic_enable(void);

/*
 * Masks a PC's two PICs: their interrupts have exceptions' vectors, and Bochs delivers them with
 * LINT0 masked. CPU 0, once, interrupts off.
 */
void pic_mask(void);

/* Sets up IPIs to this CPU: cpu->apic_id and cpu->apic_ldr. After apic_enable(), once a CPU. */
struct cpu;
void apic_init_cpu(struct cpu *cpu, u32 apic_id);

bool apic_is_x2(void);
void apic_eoi(void);

/*
 * IPIs. All earlier stores of the caller are visible to the handler. The
 * targets must be online; the sender may be among them. Safe in any context.
 */
void apic_send(u32 cpu, u8 vector); /* physical, one target */
void apic_send_nmi(u32 cpu);	    /* physical */
/*
 * Logical cluster mode: one ICR write for each run of CPUs of the mask that share a
 * cluster (up to 16 in x2APIC mode). Returns the number of writes.
 */
u32 apic_send_mask(const struct cpumask *mask, u8 vector);

/* For cpu/timer.c. Registers by their offset in the xAPIC page. */
#define APIC_LVT_TIMER	   0x320u
#define APIC_TIMER_INITIAL 0x380u
#define APIC_TIMER_CURRENT 0x390u
#define APIC_TIMER_DIVIDE  0x3e0u
#define APIC_LVT_MASKED	   (1u << 16)
#define APIC_LVT_PERIODIC  (1u << 17)
#define APIC_LVT_DEADLINE  (1u << 18)
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 value);

/* For cpu/smp.c: INIT, then STARTUP at `trampoline` (page below 1 MiB). */
void apic_send_init(u32 apic_id);
void apic_send_startup(u32 apic_id, paddr_t trampoline);

#endif
