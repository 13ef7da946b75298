/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of a CPU's PCIDs tags whose translations (SDM vol. 3 §4.10.1). A CPU that leaves an mm
 * keeps what it knows of it, under the mm's PCID, but is in mm->cpus no longer: flushes
 * pass it by. So every flush counts in mm->tlb_gen, and a CPU that comes back forgets,
 * unless it finds the generation that it had:
 *
 *   flush    entries   tlb_gen + 1                 fence   look at mm->cpus   (gather.c)
 *   switch   bit in mm->cpus (locked)   look at tlb_gen   CR3                 (switch.c)
 *
 * One sees the other. Where the flush sees the bit, it reaches this CPU: interrupts are off
 * from the bit to CR3, and a host forgets by every PCID, so it need not find the mm's in CR3.
 *
 * An mm has at most one PCID on a CPU. It is found by mm->id, which no other mm ever has:
 * the struct and the root of a dead mm are used again, and its translations may still be there.
 * Nothing uses them before the PCID is given to another mm, whose first CR3 load forgets them.
 *
 * PCID 0 has the roots of no mm: the kernel's, also where the host loads it (`detach`), and
 * those of suites. Every load of these forgets.
 */
#ifndef GUEST_MM_PCID_H
#define GUEST_MM_PCID_H

#include "guest/mm/mm.h"
#include "guest/mm/mm_cpu.h"

/*
 * For root_load_tagged(): the calling CPU's PCID for `mm`, with ROOT_KEEP if what it tags is of
 * use still. The CPU has PCIDs, and its bit in mm->cpus is set; it loads the root with
 * this before interrupts are on again.
 */
u64 pcid_tag(struct mm_cpu *me, const struct mm *mm);

#endif
