/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/irq.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/tlb.h"
#include "guest/lib/print.h"
#include "guest/mm/flush_clock.h"

#define CPUID_1_EDX_PGE	    (1u << 13)
#define CPUID_7_EBX_INVPCID (1u << 10)
#define CPUID_EXT_EDX_NX    (1u << 20)
#define CPUID_EXT_FEATURES  0x80000001u

#define INVPCID_ALL_WITH_GLOBALS 2ul

/* All CPUs, all the time. Written whole, never read back: a read may show bits of the host. */
#define KERNEL_CR4 (CR4_PAE | CR4_PGE)

static bool have_invpcid;

void tlb_init(void)
{
	have_invpcid = cpuid(0, 0).eax >= 7 && cpuid(7, 0).ebx & CPUID_7_EBX_INVPCID;
}

static void flush_all(void)
{
	static const u64 descriptor[2];

	if (have_invpcid) {
		__asm__ volatile("invpcid %0, %1" ::"m"(descriptor), "r"(INVPCID_ALL_WITH_GLOBALS)
				 : "memory");
		return;
	}
	write_cr4(KERNEL_CR4 & ~CR4_PGE);
	write_cr4(KERNEL_CR4);
}

void tlb_flush_all(void)
{
	bool was = irq_save(); /* a handler must not see, or set again, CR4 without PGE */
	u64 tick = flush_clock_tick();

	flush_all();
	flush_clock_publish(tick);
	irq_restore(was);
}

void paging_init_cpu(void)
{
	if (!(cpuid(1, 0).edx & CPUID_1_EDX_PGE))
		panic("this CPU has no global pages (CPUID 1 EDX bit 13)");
	if (!(cpuid(CPUID_EXT_FEATURES, 0).edx & CPUID_EXT_EDX_NX))
		panic("this CPU has no NX (CPUID 0x80000001 EDX bit 20)");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	write_cr0(read_cr0() | CR0_WP);
	write_cr4(KERNEL_CR4);
}
