/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which CPUs have flushed since: Xen's flush clock. For kernel addresses that
 * must not be used again before every CPU has forgotten them; any full flush of
 * a CPU in between, for whatever reason, will do.
 *
 *   unmapper   clear the entries (locked)          stamp = clock
 *   any full flush of CPU c   t = clock + 1 (locked)   flush   flushed_at[c] = t
 *   reuse      every c: flushed_at[c] > stamp, or else flush c now
 *
 * Four orders matter: the stamp after the clear, the tick before the flush, the
 * publication after it, and a full barrier between the clear and the stamp.
 */
#ifndef GUEST_MM_FLUSH_CLOCK_H
#define GUEST_MM_FLUSH_CLOCK_H

#include "guest/lib/cpumask.h"
#include "guest/lib/types.h"

/* The stamp for entries cleared before the call. The clear was a locked instruction. */
u64 flush_clock_stamp(void);

/* Around a full flush (all non-global entries at least) of the calling CPU; interrupts off. */
u64 flush_clock_tick(void);
void flush_clock_publish(u64 tick);

/* CPUs that have not begun a full flush after that stamp: those to be flushed before reuse. */
void flush_clock_stale(u64 stamp, struct cpumask *out);

#endif
