/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grace periods: tables that wait until every CPU has been outside a walk. One
 * period at a time serves all tables that came before it began. It begins with a
 * snapshot of all CPUs' counts, after the flush of each of its tables; it ends when each CPU
 * was at rest in the snapshot or has another count since. The lists go through
 * the tables' struct page: deferring needs no memory.
 */
#ifndef GUEST_MM_GRACE_H
#define GUEST_MM_GRACE_H

#include "guest/cpu/percpu.h"
#include "guest/lib/types.h"

/* Frees `table` later; walk.h has the rest. Its page's `next` is ours until then. */
void grace_defer(paddr_t table);

/* Frees what need not wait. False: somebody holds all of it up, or nothing waits. */
bool grace_poll(void);

u64 grace_backlog(void);

/* A CPU that the period waits for; GUEST_MAX_CPUS: none is known of. */
u32 grace_blocker(void);

#endif
