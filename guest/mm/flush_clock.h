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
 *
 * A CPU that the host flushes does not notice. Whoever asked for it may credit the
 * CPU, because it keeps the same orders: t before the request, the credit when the
 * call has returned, and from then on the CPU executes nothing before it has
 * flushed. The credit has a word of its own, raised by compare-and-swap: in
 * flushed_at the CPU's plain store of an older tick might overwrite it, or it a newer
 * one. That would not be wrong, an older time only flushes too often, but
 * then neither word would ever be sure to grow.
 *
 * Nor does anybody notice that a host flushes everything where it was asked for a range, or
 * for another mm. The hyperflush ABI counts such flushes (docs/abi.md, state page):
 *
 *   a look     t = clock + 1 (locked)   note the count of CPU c
 *   a later look finds another count: CPU c has flushed, and walked nothing since that was
 *   cleared before the note: it is credited with t
 *
 * The tick comes before the note: an address with a smaller stamp was cleared before it.
 */
#ifndef GUEST_MM_FLUSH_CLOCK_H
#define GUEST_MM_FLUSH_CLOCK_H

#include "guest/lib/cpumask.h"
#include "guest/lib/types.h"

/* The stamp for entries cleared before the call. The clear was a locked instruction. */
u64 flush_clock_stamp(void);

/*
 * Around a full flush (all non-global entries at least, of every PCID) of the calling CPU;
 * interrupts off.
 */
u64 flush_clock_tick(void);
void flush_clock_publish(u64 tick);

/*
 * A full flush of those CPUs, asked for after that tick, is done (or will be before they
 * execute anything). Any context in which the caller stays on its CPU.
 */
void flush_clock_credit(const struct cpumask *cpus, u64 tick);

/*
 * Credits each CPU with the tick of the last look, if the host has counted a flush of it since.
 * One caller at a time. Any context in which that one stays on its CPU.
 */
void flush_clock_look(void);

/* Entries with a smaller stamp are forgotten by every CPU that is online. */
u64 flush_clock_horizon(void);

/* CPUs that have not begun a full flush after that stamp: those to be flushed before reuse. */
void flush_clock_stale(u64 stamp, struct cpumask *out);

#endif
