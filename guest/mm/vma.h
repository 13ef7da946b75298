/* SPDX-License-Identifier: BSD-2-Clause */
/* The mapped ranges of an mm. All functions: mm->lock held. */
#ifndef GUEST_MM_VMA_H
#define GUEST_MM_VMA_H

#include "guest/mm/mm.h"

#define PROT_READ  1u
#define PROT_WRITE 2u /* implies read */
#define PROT_EXEC  4u

/* Of an mm. Calls walk all of them under mm->lock, and their memory is not swapped. */
#define VMA_MAX 4096u

struct vma {
	u64 start, end; /* page aligned, start < end <= USER_END */
	unsigned prot;
	bool huge; /* faults may map 2 MiB pages */
	struct vma *next;
};

/* Frees the memory of all VMAs: the end of the mm. */
void vma_free_all(struct mm *mm);

/* The VMA that holds `va`; NULL if there is none. */
struct vma *vma_find(const struct mm *mm, u64 va);

/* The first one that ends above `va`; NULL if there is none. */
struct vma *vma_first(const struct mm *mm, u64 va);

/* Whether [start, end) is mapped without a gap. */
bool vma_covers(const struct mm *mm, u64 start, u64 end);

/* The lowest free range of that many bytes from `from` on, aligned so; 0: there is none. */
u64 vma_find_gap(const struct mm *mm, u64 from, u64 bytes, u64 align);

/* Adds [start, end), which must be free; merges with equal neighbours. False: no memory, or too
 * many. */
bool vma_insert(struct mm *mm, u64 start, u64 end, unsigned prot, bool huge);

/* Cuts VMAs at `va`, so that none spans it. False: no memory, or too many; nothing changed. */
bool vma_split_at(struct mm *mm, u64 va);

/* Joins neighbours that are alike again. */
void vma_merge(struct mm *mm);

/* Forgets [start, end); no VMA may span either edge. */
void vma_remove(struct mm *mm, u64 start, u64 end);

/* Sets the protection of all in [start, end); no VMA may span either edge. */
void vma_set_prot(struct mm *mm, u64 start, u64 end, unsigned prot);

/* The entry bits of a 4 KiB or 2 MiB leaf of that protection, without PTE_LARGE. */
u64 vma_flags(unsigned prot);

#endif
