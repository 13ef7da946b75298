/* SPDX-License-Identifier: BSD-2-Clause */
/* What guest/mm/ keeps for each CPU; cpu/percpu.h has one in struct cpu. */
#ifndef GUEST_MM_MM_CPU_H
#define GUEST_MM_MM_CPU_H

#include "guest/lib/types.h"

struct mm;

#define MM_PCIDS 6u /* a CPU; the TLB that they share grows no larger with more */

struct pcid_slot {
	u64 mm;	 /* id of the mm whose translations the PCID tags; 0: nobody's */
	u64 gen; /* mm->tlb_gen when they were forgotten last, or an older one */
};

/*
 * The root in CR3 and what its CPU does with it, in one word, because the host
 * may change both (`detach`): it swaps LAZY|root for MOVED|other root by
 * compare-and-swap, while this vCPU is outside the guest, and writes CR3. So a
 * CPU swaps LAZY|root for ACTIVE|root, by compare-and-swap too, before it writes
 * CR3 for any reason: otherwise it might bring back a root that is freed.
 */
#define ROOT_ACTIVE 0ul /* the guest's own; the host keeps off */
#define ROOT_LAZY   1ul /* a kernel thread runs on somebody's root and does not need it */
#define ROOT_MOVED  2ul /* by the host; the reference on the old root is the initiator's */
#define ROOT_STATE  3ul
#define ROOT_ADDR   (~0xffful)

struct mm_cpu {
	/* Read and swapped by the host: aligned, in the direct map. */
	_Alignas(64) u64 root_word;
	struct mm *active; /* whose root this is, referenced by it; NULL: the kernel's. Interrupts
			      off. */

	/* PCIDs; interrupts off. */
	u32 pcids;     /* in use, 1 to `pcids`; 0: CR4.PCIDE is clear. Constant from bring-up on */
	u32 next_pcid; /* slot to be taken for the next mm that has none; pcid.c */
	struct pcid_slot pcid[MM_PCIDS];

	/* Odd while this CPU is in a counted walk (walk.h); written by this CPU only. */
	_Alignas(64) u64 walks;
	u64 quiescent; /* rcu: changes with each pass of the scheduler, and rest; walk.h */

	/* Flush clock (flush_clock.h): when the last full flush of this CPU began that ... */
	_Alignas(64) u64 flushed_at; /* it did itself; written by it only */
	u64 credited_at;	     /* others had the host do; only grows (locked) */
	u64 count_seen, seen_at;     /* the host's count at the last look, and when that was */

	/* Statistics. */
	u64 root_loads; /* written by this CPU only, with interrupts off */
	u64 gup_slow;	/* gup_fast() took mm->lock: by threads, with locked instructions */
};

#endif
