/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This CPU's TLB and its root (SDM vol. 3 §4.10.4; no PCIDs are used: CR4.PCIDE stays 0).
 * Whatever flushes all non-global translations runs the flush clock around it (mm/flush_clock.h).
 */
#ifndef GUEST_CPU_TLB_H
#define GUEST_CPU_TLB_H

#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/types.h"

/*
 * Loads a root (page-aligned), and forgets every non-global translation by it. The word is
 * ACTIVE (mm_cpu.h), and `root` that of mm_cpu->active if there is one: mm/switch.c sees to
 * both. Callers that load roots of no mm (suites) begin on the kernel's, by
 * exit_leave_root() if need be, and keep preemption disabled until they are back on it.
 */
void root_load(paddr_t root);

/*
 * From memory, not from CR3: reading that is an exit with shadow paging, and in the test bench
 * with npt=0 (under QEMU 10.0) it gave the shadow's root instead of ours.
 */
static inline paddr_t root_current(void)
{
	return mem_load(&this_mm_cpu()->root_word) & ROOT_ADDR;
}

/* Forgets `va`'s translation, global or not, and all paging-structure caches (INVLPG). */
static inline void tlb_flush_page(u64 va)
{
	__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

/* Forgets every non-global translation (CR3 reload). Any context but NMI; the root may be lazy. */
void tlb_flush_user(void);

/* Forgets everything, global ones too (INVPCID where CPUID has it, else CR4.PGE off and on). */
void tlb_flush_all(void);

/* Picks the instruction for tlb_flush_all(). CPU 0, once. */
void tlb_init(void);

/* Sets CR4 for good, and what else the kernel's page tables need: CR0.WP, EFER.NXE. Once a CPU. */
void paging_init_cpu(void);

#endif
