/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of the suite "boot", and what they share. */
#ifndef GUEST_SELFTEST_SELFTEST_H
#define GUEST_SELFTEST_SELFTEST_H

#include "guest/cpu/timer.h"
#include "guest/lib/types.h"

#define SELFTEST_WAIT_MS 5000

/* Spins until the condition holds, for at most SELFTEST_WAIT_MS. Yields whether it holds. */
#define wait_for(cond)                                                  \
	({                                                              \
		u64 wait_end = rdtsc() + tsc_from_ms(SELFTEST_WAIT_MS); \
		u32 polls = 0;                                          \
		bool held;                                              \
		while (!(held = (cond)) && rdtsc() < wait_end)          \
			cpu_poll(&polls);                               \
		held;                                                   \
	})

void selftest_cpus(void);
void selftest_ipis(void);
void selftest_tick(void);
void selftest_traps(void);
void selftest_memory(void);
void selftest_paging(void);
void selftest_threads(void);

#endif
