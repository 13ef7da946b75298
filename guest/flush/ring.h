/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flushes that are posted now and done later, through the ring of the hyperflush ABI
 * (docs/abi.md, "ring"): for memory that must be flushed before it is used again, not at
 * once. A ticket is the number of posts of that CPU's ring up to and with this one.
 */
#ifndef GUEST_FLUSH_RING_H
#define GUEST_FLUSH_RING_H

#include "guest/flush/flush.h"

/* The calling CPU gets its ring; `doorbell`: the port. */
void ring_init_cpu(u16 doorbell);

/* The backend is one of the hyperflush ABI, and the host has rings. */
bool ring_available(void);

/*
 * Posts `req` on this CPU's ring and returns its ticket. The host may not have noticed:
 * ring_submit() is due at some time. The page-table stores are done; the calling CPU, if it is
 * a target, flushes natively at once. FLUSH_STRONG is not allowed. Waits if the ring is full.
 * Context as flush_tlb().
 */
u64 ring_post(const struct flush_request *req);

/* Has the host serve what all CPUs have posted, if it sleeps. Waits for nothing. */
void ring_submit(void);

/*
 * True: no target of that post of `cpu` uses a translation that was stale then. Acquire: what
 * is done to the memory afterwards comes after the flush. Panics if the host refused the post.
 */
bool ring_done(u32 cpu, u64 ticket);

/* A hint: the host sleeps, and serves nothing before somebody submits. */
bool ring_idle(void);

/* Until ring_done(); submits. Context as flush_tlb(). */
void ring_wait(u32 cpu, u64 ticket);

#endif
