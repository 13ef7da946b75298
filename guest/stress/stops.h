/* SPDX-License-Identifier: BSD-2-Clause */
/* vCPUs that the host stops at random. */
#ifndef GUEST_STRESS_STOPS_H
#define GUEST_STRESS_STOPS_H

#include "guest/lib/harness.h"

/*
 * Binds each vCPU to a CPU of the host's, its own if there are enough, and has vCPUs [first,
 * first + count) stopped, one at a time, for so many microseconds, until stops_end().
 * Returns in the first stop. False: not on this host; reason in `why`, 128 bytes.
 */
bool stops_begin(u32 first, u32 count, u32 shortest_us, u32 longest_us, char *why);
struct harness_stops stops_end(void);

/*
 * This CPU's word: while it is not 0 a stop counts as `inside`. Preemption disabled, or ticks
 * stopped, while it is set.
 */
u64 *stops_word(void);

#endif
