/* SPDX-License-Identifier: BSD-2-Clause */
/* This CPU's TLB and its root (SDM vol. 3 §4.10.4; no PCIDs are used: CR4.PCIDE stays 0). */
#ifndef GUEST_CPU_TLB_H
#define GUEST_CPU_TLB_H

#include "guest/cpu/msr.h"
#include "guest/lib/types.h"

/* Loads a root (page-aligned). Flushes as tlb_flush_user() does. */
static inline void root_load(paddr_t root)
{
	write_cr3(root);
}

static inline paddr_t root_current(void)
{
	return read_cr3();
}

/* Forgets `va`'s translation, global or not, and all paging-structure caches (INVLPG). */
static inline void tlb_flush_page(u64 va)
{
	__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

/* Forgets every non-global translation (CR3 reload). */
static inline void tlb_flush_user(void)
{
	root_load(root_current());
}

/* Forgets everything, global translations too (INVPCID where CPUID has it, else CR4.PGE off and
 * on). */
void tlb_flush_all(void);

/* Picks the instruction for tlb_flush_all(). CPU 0, once. */
void tlb_init(void);

/* Sets the control bits that the kernel's page tables need: CR4.PGE, CR0.WP, EFER.NXE. Once a CPU.
 */
void paging_init_cpu(void);

#endif
