/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/irq.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/tlb.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/print.h"
#include "guest/mm/flush_clock.h"

#define CPUID_1_ECX_PCID    (1u << 17)
#define CPUID_1_EDX_PGE	    (1u << 13)
#define CPUID_7_EBX_INVPCID (1u << 10)
#define CPUID_EXT_EDX_NX    (1u << 20)
#define CPUID_EXT_FEATURES  0x80000001u

#define INVPCID_ALL_WITH_GLOBALS 2ul
#define INVPCID_ALL_CONTEXTS	 3ul

/*
 * Of all CPUs; constant after tlb_init(). CR4 is written whole and never read back: a read may
 * show bits of the host.
 */
static struct {
	bool invpcid;
	u64 cr4;
} use = { .cr4 = CR4_PAE | CR4_PGE };

void tlb_init(void)
{
	bool want = cmdline_u64("pcid", 0) != 0, have = cpuid(1, 0).ecx & CPUID_1_ECX_PCID;

	use.invpcid = cpuid(0, 0).eax >= 7 && cpuid(7, 0).ebx & CPUID_7_EBX_INVPCID;
	if (!want)
		return;
	kprintf("tlb: %s\n", have ? "PCIDs are used" : "no PCIDs (CPUID 1 ECX bit 17)");
	if (!have)
		return;
	use.cr4 |= CR4_PCIDE;
	this_mm_cpu()->pcids = MM_PCIDS;
}

/* A change of CR4.PGE forgets everything, of every PCID (SDM vol. 3 §4.10.4.1). */
static void invalidate(u64 type)
{
	static const u64 descriptor[2];

	if (use.invpcid) {
		__asm__ volatile("invpcid %0, %1" ::"m"(descriptor), "r"(type) : "memory");
		return;
	}
	write_cr4(use.cr4 & ~CR4_PGE);
	write_cr4(use.cr4);
}

static void flush(u64 type)
{
	bool was = irq_save(); /* a handler must not see, or set again, CR4 without PGE */
	u64 tick = flush_clock_tick();

	invalidate(type);
	flush_clock_publish(tick);
	irq_restore(was);
}

void tlb_flush_all(void)
{
	flush(INVPCID_ALL_WITH_GLOBALS);
}

void tlb_flush_contexts(void)
{
	flush(INVPCID_ALL_CONTEXTS);
}

void paging_init_cpu(void)
{
	if (!(cpuid(1, 0).edx & CPUID_1_EDX_PGE))
		panic("this CPU has no global pages (CPUID 1 EDX bit 13)");
	if (!(cpuid(CPUID_EXT_FEATURES, 0).edx & CPUID_EXT_EDX_NX))
		panic("this CPU has no NX (CPUID 0x80000001 EDX bit 20)");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	write_cr0(read_cr0() | CR0_WP);
	if (use.cr4 & CR4_PCIDE && !(cpuid(1, 0).ecx & CPUID_1_ECX_PCID))
		panic("this CPU has no PCIDs (CPUID 1 ECX bit 17), CPU 0 has");
	write_cr4(use.cr4); /* PCIDE: in long mode, while CR3 bits 11:0 are 0 (SDM §4.10.1) */
}
