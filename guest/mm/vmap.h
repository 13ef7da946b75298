/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel virtual areas with deferred flush. An area's addresses are used again
 * only after every CPU has flushed later than they were unmapped
 * (flush_clock.h); mostly somebody has done that meanwhile, and no flush is
 * issued. Its pages belong to the caller, who must not give them away before
 * vmap_flush(), unless a stale read of them harms nobody.
 */
#ifndef GUEST_MM_VMAP_H
#define GUEST_MM_VMAP_H

#include "guest/cpu/paging.h"
#include "guest/lib/types.h"

#define VMAP_BASE 0xffffc90000000000ul /* pt_init() has linked the root's entry */

/* Gives the arena its `pages` addresses and all tables they need. Once. Panics without memory. */
void vmap_init(u32 pages);

/*
 * Maps these pages, writable, at consecutive addresses. NULL: there are no such
 * addresses. Thread context, interrupts on: a flush may be needed first.
 */
void *vmap(const paddr_t *pages, u32 count);

/* Takes the mapping of that vmap() away; flushes nothing now. Any context but NMI. */
void vunmap(void *va, u32 count);

/*
 * All addresses that wait are flushed: afterwards no CPU reaches pages unmapped before
 * the call. Thread context, interrupts on.
 */
void vmap_flush(void);

struct vmap_counters {
	u64 frees;   /* areas given back */
	u64 flushes; /* issued for want of an incidental one */
};
void vmap_counters(struct vmap_counters *out);

#endif
