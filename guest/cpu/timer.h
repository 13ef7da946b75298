/* SPDX-License-Identifier: BSD-2-Clause */
/* Time: the TSC and its rate, and each CPU's periodic tick. */
#ifndef GUEST_CPU_TIMER_H
#define GUEST_CPU_TIMER_H

#include "guest/cpu/msr.h"
#include "guest/lib/types.h"

#define TICK_HZ 250

/*
 * Finds the TSC's rate, on CPU 0 with interrupts off: "tsc_khz=" on the command
 * line, CPUID 0x15, CPUID 0x40000010, or the PIT; else assumes 1 GHz, and says so.
 */
void timer_init(void);

u64 tsc_khz(void);

/* TSC ticks in `ms` milliseconds. */
static inline u64 tsc_from_ms(u64 ms)
{
	return tsc_khz() * ms;
}

/*
 * This CPU's tick. It is off until started. When tick_stop() returns with
 * interrupts enabled, no further timer interrupt occurs on this CPU; if they are
 * disabled, one that was pending may still come.
 */
void tick_start(void);
void tick_stop(void);

#endif
