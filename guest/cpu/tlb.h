/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This CPU's TLB and its root (SDM vol. 3 §4.10.4, §4.10.1 for PCIDs, mm/pcid.h).
 * Whatever flushes all non-global translations runs the flush clock around it (mm/flush_clock.h).
 */
#ifndef GUEST_CPU_TLB_H
#define GUEST_CPU_TLB_H

#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/types.h"

#define ROOT_KEEP (1ul << 63) /* of CR3, with CR4.PCIDE: the load forgets nothing */

/*
 * Loads a root (page-aligned), and forgets every non-global translation by it: all there are
 * without PCIDs, those of PCID 0 with them. The word is ACTIVE (mm_cpu.h), and `root` that of
 * mm_cpu->active if there is one: mm/switch.c sees to both. Callers that load roots of no mm
 * (suites) begin on the kernel's, by exit_leave_root() if need be, and keep preemption disabled
 * until they are back on it.
 *
 * root_load_tagged() is for mm/switch.c: `tag` is a PCID and ROOT_KEEP, or 0.
 */
void root_load_tagged(paddr_t root, u64 tag);

static inline void root_load(paddr_t root)
{
	root_load_tagged(root, 0);
}

/*
 * From memory, not from CR3: reading that is an exit with shadow paging, and in the test bench
 * with npt=0 (under QEMU 10.0) it gave the shadow's root instead of ours.
 */
static inline paddr_t root_current(void)
{
	return mem_load(&this_mm_cpu()->root_word) & ROOT_ADDR;
}

/*
 * Forgets `va`'s translation, global or not, and all paging-structure caches (INVLPG). Of
 * what is not global the current PCID's only.
 */
static inline void tlb_flush_page(u64 va)
{
	__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

/*
 * Forgets every non-global translation, of every PCID (CR3 reload, or tlb_flush_contexts()
 * where there are PCIDs). Any context but NMI; the root may be lazy.
 */
void tlb_flush_user(void);

/*
 * The same by INVPCID where CPUID has it, else by CR4.PGE off and on, which forgets global
 * ones too.
 */
void tlb_flush_contexts(void);

/* Forgets everything, global ones too (INVPCID, or CR4.PGE). */
void tlb_flush_all(void);

/*
 * Decides what all CPUs use: INVPCID where CPUID has it, and PCIDs where it has them and
 * the command line says "pcid=1". CPU 0, once, before paging_init_cpu().
 */
void tlb_init(void);

/* Sets CR4 for good, and what else the kernel's page tables need: CR0.WP, EFER.NXE. Once a CPU. */
void paging_init_cpu(void);

#endif
