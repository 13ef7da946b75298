/* SPDX-License-Identifier: BSD-2-Clause */
/* This CPU's TLB and its root (SDM vol. 3 §4.10.4; no PCIDs are used: CR4.PCIDE stays 0). */
#ifndef GUEST_CPU_TLB_H
#define GUEST_CPU_TLB_H

#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/types.h"

/*
 * Loads a root (page-aligned). Flushes as tlb_flush_user() does. The copy is stored first: an
 * interrupt handler that flushes in between loads the new root.
 */
static inline void root_load(paddr_t root)
{
	this_cpu()->root = root;
	write_cr3(root);
}

/*
 * From memory, not from CR3: reading that is an exit with shadow paging, and in the test bench
 * with npt=0 (under QEMU 10.0) it gave the shadow's root instead of ours.
 */
static inline paddr_t root_current(void)
{
	return this_cpu()->root;
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

/* Forgets everything, global ones too (INVPCID where CPUID has it, else CR4.PGE off and on). */
void tlb_flush_all(void);

/* Picks the instruction for tlb_flush_all(). CPU 0, once. */
void tlb_init(void);

/* Sets CR4 for good, and what else the kernel's page tables need: CR0.WP, EFER.NXE. Once a CPU. */
void paging_init_cpu(void);

#endif
