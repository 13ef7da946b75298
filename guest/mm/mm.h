/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user address space. Threads of one mm run on any CPUs at the same time.
 *
 * `lock` guards the VMAs and every change of the page tables. What runs without
 * it: hardware walks, gup_fast(), the walkers of walk.h, and the words marked
 * "lock-free" below.
 */
#ifndef GUEST_MM_MM_H
#define GUEST_MM_MM_H

#include "guest/cpu/paging.h"
#include "guest/lib/cpumask.h"
#include "guest/lib/types.h"
#include "guest/sched/mutex.h"

struct vma;
struct vma_page;
struct mmu_gather;

struct mm {
	/* gup_fast() reads these two; nobody writes beside them in this cache line. */
	_Alignas(64) paddr_t root;
	u64 pt_seq; /* lock-free: tables have been unlinked so many times; gup.h */

	/*
	 * Lock-free: CPUs that may have `root` in CR3, and thus hold translations
	 * and walk its tables. A CPU sets its bit (locked) before it loads the root
	 * and clears it after it has loaded another (switch.c). Flushes go to all
	 * of them, lazy ones too.
	 */
	_Alignas(64) struct cpumask cpus;
	u64 tlb_gen;   /* lock-free: flushes so far, those that are to come now included; pcid.h */
	u32 users;     /* lock-free: threads, and others who use the mappings; the last one's end is
			  exit */
	u32 root_refs; /* lock-free: one for all users, one for each CR3; switch.h */

	u64 id; /* constant; of no other mm, ever */
	struct mutex lock;
	struct vma *vmas; /* ascending, disjoint; vma.h */
	u32 nr_vmas;
	struct vma *free_vmas;
	struct vma_page *vma_pages;
	struct mmu_gather *gather;
	u32 debts; /* flushes owed; zero whenever `lock` is given back */

	/* For the census: guarded by `lock`. */
	u64 mapped;	      /* 4 KiB pages mapped, large ones counted as 512 */
	u64 tables;	      /* table pages, the root included */
	u64 dirty;	      /* dirty bits collected */
	struct mm *next_dead; /* exit.c */
};

/* An empty address space with one user. NULL: no memory. Thread context, interrupts on, no lock
 * held. */
struct mm *mm_create(void);

/* One more user. The caller is a user itself, or holds `lock` of an mm that has one. */
void mm_get(struct mm *mm);

/*
 * One user less. The last one's call is the exit: it unmaps everything by the
 * strategy in force (exit.h). Thread context, interrupts on, no lock held. If
 * the caller's own thread used it as its address space it does no longer.
 */
void mm_put(struct mm *mm);

/*
 * The entry for `va` at `level`, with tables as needed, counted in mm->tables. NULL:
 * no memory, or a large page in the way. mm->lock held.
 */
pte_t *mm_slot_alloc(struct mm *mm, u64 va, unsigned level);

/* Takes and gives back mm->lock; a debt that is not settled by then is a panic. */
void mm_lock(struct mm *mm);
void mm_unlock(struct mm *mm);

#endif
