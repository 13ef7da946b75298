/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical pages. Buddy blocks of 2^order pages, naturally aligned. All
 * functions are safe on any CPU, also with interrupts off, but not in NMI.
 */
#ifndef GUEST_MM_PAGE_H
#define GUEST_MM_PAGE_H

#include "guest/cpu/paging.h"
#include "guest/lib/types.h"

#define PAGE_MAX_ORDER 10
#define PADDR_NONE     0 /* page 0 is never given out */

/* One or 2^order contiguous pages, contents undefined; PADDR_NONE when there are none. */
paddr_t page_alloc(void);
paddr_t page_alloc_order(unsigned order);

/* One page of zeroes; PADDR_NONE when there is none. */
paddr_t page_alloc_zeroed(void);

/*
 * Gives a block back whole, by its first page: page_free() one of order 0. Panics
 * if it is not an allocated block of that order (double free, wrong order).
 */
void page_free(paddr_t pa);
void page_free_order(paddr_t pa, unsigned order);

/* Pages free now, for censuses; exact when nobody else allocates. */
u64 page_free_count(void);
u64 page_total(void);

/*
 * Zeroed, page-granular memory for structures that live long; at most
 * PAGE_SIZE << PAGE_MAX_ORDER bytes. Panics when there is none. kfree() wants the same size.
 */
void *kzalloc(size_t size);
void kfree(void *p, size_t size);

struct boot_info;
/*
 * Take the memory map's RAM, without the image and the first 1 MiB: what lies below
 * 4 GiB, and the rest. Between the two come pt_init(), which maps the rest, and
 * smp_start(): APs begin on page tables that do not. Once each, on CPU 0.
 */
void page_init(const struct boot_info *boot);
void page_init_high(const struct boot_info *boot);

#endif
