/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/apic.h"
#include "guest/cpu/irq.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/paging.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/print.h"

#define CPUID_1_ECX_X2APIC (1u << 21)
#define CPUID_1_EDX_APIC   (1u << 9)
#define APIC_BASE_ENABLE   (1u << 11)
#define APIC_BASE_X2	   (1u << 10)
#define XAPIC_PHYS	   0xfee00000ul
#define PIC_MASTER_MASK	   0x21u
#define PIC_SLAVE_MASK	   0xa1u

/* Register offsets; in x2APIC mode MSR 0x800 + offset / 16. */
#define APIC_ID	       0x020u
#define APIC_TPR       0x080u
#define APIC_EOI       0x0b0u
#define APIC_LDR       0x0d0u
#define APIC_DFR       0x0e0u /* xAPIC only */
#define APIC_SVR       0x0f0u
#define APIC_ICR       0x300u
#define APIC_ICR_HIGH  0x310u /* xAPIC only */
#define APIC_LVT_LINT0 0x350u
#define APIC_LVT_LINT1 0x360u

#define SVR_ENABLE  (1u << 8)
#define DFR_CLUSTER 0x0fffffffu
#define ICR_NMI	    (4u << 8)
#define ICR_INIT    (5u << 8)
#define ICR_STARTUP (6u << 8)
#define ICR_LOGICAL (1u << 11)
#define ICR_BUSY    (1u << 12) /* xAPIC only */
#define ICR_ASSERT  (1u << 14)

/* Which bits of a logical id name the cluster. */
#define X2_CLUSTER 0xffff0000u
#define X_CLUSTER  0xf0u
#define X_MAX_CPUS 60u /* 15 clusters of 4: no logical id beyond */

static bool x2; /* the same on all CPUs */

u32 apic_read(u32 reg)
{
	if (x2)
		return (u32)rdmsr(MSR_X2APIC_BASE + reg / 16);
	return *(volatile u32 *)phys_to_virt(XAPIC_PHYS + reg);
}

void apic_write(u32 reg, u32 value)
{
	if (x2)
		wrmsr(MSR_X2APIC_BASE + reg / 16, value);
	else
		*(volatile u32 *)phys_to_virt(XAPIC_PHYS + reg) = value;
}

bool apic_is_x2(void)
{
	return x2;
}

u32 apic_enable(void)
{
	struct cpuid features = cpuid(1, 0);
	u64 base = rdmsr(MSR_APIC_BASE);

	if (features.ecx & CPUID_1_ECX_X2APIC) {
		x2 = true;
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2);
	} else if (features.edx & CPUID_1_EDX_APIC) {
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	} else {
		panic("this machine has no local APIC");
	}
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | VECTOR_TICK);
	apic_write(APIC_LVT_LINT0, APIC_LVT_MASKED);
	apic_write(APIC_LVT_LINT1, APIC_LVT_MASKED);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	return x2 ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void pic_mask(void)
{
	outb(PIC_MASTER_MASK, 0xff);
	outb(PIC_SLAVE_MASK, 0xff);
}

void apic_init_cpu(struct cpu *cpu, u32 apic_id)
{
	cpu->apic_id = apic_id;
	if (x2) {
		cpu->apic_ldr = apic_read(APIC_LDR);
		return;
	}
	cpu->apic_ldr = cpu->id < X_MAX_CPUS ? cpu->id / 4 << 4 | 1u << cpu->id % 4 : 0;
	apic_write(APIC_DFR, DFR_CLUSTER);
	apic_write(APIC_LDR, cpu->apic_ldr << 24);
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

/*
 * A WRMSR to the APIC does not wait for earlier stores (SDM vol. 3 §11.12.3);
 * the fences make the caller's stores visible before the target can act.
 */
static void write_icr(u32 destination, u32 command)
{
	bool was;

	__asm__ volatile("mfence; lfence" ::: "memory");
	if (x2) {
		wrmsr(MSR_X2APIC_BASE + APIC_ICR / 16, (u64)destination << 32 | command);
		return;
	}
	was = irq_save(); /* an interrupt between the two writes may send one itself */
	while (apic_read(APIC_ICR) & ICR_BUSY)
		cpu_pause();
	apic_write(APIC_ICR_HIGH, destination << 24);
	apic_write(APIC_ICR, command);
	irq_restore(was);
}

void apic_send(u32 cpu, u8 vector)
{
	write_icr(cpu_by_id(cpu)->apic_id, ICR_ASSERT | vector);
}

void apic_send_nmi(u32 cpu)
{
	write_icr(cpu_by_id(cpu)->apic_id, ICR_ASSERT | ICR_NMI);
}

u32 apic_send_mask(const struct cpumask *mask, u8 vector)
{
	u32 cluster = x2 ? X2_CLUSTER : X_CLUSTER;
	u32 writes = 0, run = 0; /* logical ids of one cluster, not yet sent */

	for_each_cpu (i, mask) {
		u32 ldr = cpu_by_id(i)->apic_ldr;

		if (run && (ldr == 0 || (run ^ ldr) & cluster)) {
			write_icr(run, ICR_ASSERT | ICR_LOGICAL | vector);
			writes++;
			run = 0;
		}
		if (ldr) {
			run |= ldr;
		} else {
			apic_send(i, vector);
			writes++;
		}
	}
	if (run) {
		write_icr(run, ICR_ASSERT | ICR_LOGICAL | vector);
		writes++;
	}
	return writes;
}

void apic_send_init(u32 apic_id)
{
	write_icr(apic_id, ICR_ASSERT | ICR_INIT);
}

void apic_send_startup(u32 apic_id, paddr_t trampoline)
{
	write_icr(apic_id, ICR_ASSERT | ICR_STARTUP | (u32)(trampoline >> PAGE_SHIFT));
}
