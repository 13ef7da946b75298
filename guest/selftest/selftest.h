/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of the suites "boot" and "mm-boot", and what they share. */
#ifndef GUEST_SELFTEST_SELFTEST_H
#define GUEST_SELFTEST_SELFTEST_H

#include "guest/cpu/timer.h"
#include "guest/lib/types.h"

#define SELFTEST_WAIT_MS 20000 /* an emulator on a busy machine */
#define SELFTEST_VA	 0x0000400000000000ul

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

struct mm;

void selftest_cpus(void);
void selftest_ipis(void);
void selftest_tick(void);
void selftest_traps(void);
void selftest_memory(void);
void selftest_paging(void);
void selftest_threads(void);

/* Of the suite "mm-boot". */
void selftest_mutex(void);
void selftest_roots(void);
void selftest_pcid(void);
void selftest_exit(void);
void selftest_flush_clock(void);
void selftest_vmap(void);
void selftest_kernel_range(void);

/* An mm with so many pages mapped and written at SELFTEST_VA; its only user is the caller. */
struct mm *selftest_make_mm(u64 pages);

/*
 * Reports how many of `checked` accesses used a translation that a flush should have
 * taken: none may. With a backend that flushes nothing some must, or the check proves nothing.
 */
void selftest_stale(u64 stale, u64 checked, const char *what);

/*
 * Whether a check whose result goes to selftest_stale() is to be made once more: a control that
 * has seen nothing yet, for an exit of the CPU in time may have emptied its TLB. Bounded;
 * `tries` counts, from 0 on.
 */
bool selftest_again(u64 stale, u32 *tries);

#endif
