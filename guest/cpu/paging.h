/* SPDX-License-Identifier: BSD-2-Clause */
/* Page-table entries and the direct map: all that guest/mm/ needs of the hardware's format. */
#ifndef GUEST_CPU_PAGING_H
#define GUEST_CPU_PAGING_H

#include "guest/boot/layout.h"
#include "guest/lib/types.h"

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096ul
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define LARGE_PAGE_SIZE (1ul << 21)
#define PT_ENTRIES	512u

#define DIRECT_MAP_LIMIT (64ul << 30)	      /* bytes of physical space it can cover */
#define USER_END	 0x0000800000000000ul /* first address beyond the lower half */

typedef u64 pte_t; /* an entry of any level */

#define PTE_PRESENT  (1ul << 0)
#define PTE_WRITE    (1ul << 1)
#define PTE_USER     (1ul << 2)
#define PTE_NOCACHE  (1ul << 4)
#define PTE_ACCESSED (1ul << 5)
#define PTE_DIRTY    (1ul << 6)
#define PTE_LARGE    (1ul << 7)
#define PTE_GLOBAL   (1ul << 8)
#define PTE_EXCLUSIVE \
	(1ul << 9) /* ours, ignored by hardware: no other mm maps the page; mm/fault.c */
#define PTE_NX	 (1ul << 63)
#define PTE_ADDR 0x000ffffffffff000ul

/* Ordered before later loads: gup_fast() validates what it has read. A plain load on x86. */
static inline pte_t pte_read(const pte_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* The one way entries are stored: a plain aligned store, ordered after earlier stores (TSO). */
static inline void pte_write(pte_t *p, pte_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

/* Swaps atomically, so that no accessed or dirty bit the hardware sets gets lost. */
static inline pte_t pte_exchange(pte_t *p, pte_t value)
{
	return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST);
}

static inline paddr_t pte_addr(pte_t e)
{
	return e & PTE_ADDR;
}

/* pa must be below the end of the direct map. */
static inline void *phys_to_virt(paddr_t pa)
{
	return (void *)(pa + DIRECT_MAP_BASE);
}

/* p: an address in the direct map or in the kernel's image. */
static inline paddr_t virt_to_phys(const void *p)
{
	u64 va = (u64)p;

	return va >= KERNEL_BASE ? va - KERNEL_BASE : va - DIRECT_MAP_BASE;
}

#endif
