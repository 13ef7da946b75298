/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walks of mm/gup_walk.h compiled once more, with a hook at each step: one step
 * of each walk, chosen at random, is held up until others have changed tables or some
 * time has passed, as if the vCPU were descheduled there. Also walks that lack one check:
 * negative controls. One walk a CPU at a time.
 */
#ifndef GUEST_STRESS_HOOKED_H
#define GUEST_STRESS_HOOKED_H

#include "guest/mm/gup.h"

enum hooked_id {
	HOOKED_SEQ,
	HOOKED_IRQOFF,
	HOOKED_RCU,
	HOOKED_COUNTER,
	HOOKED_COUNTER_XCHG,
	HOOKED_WITHOUT_V,
	HOOKED_WITHOUT_R1,
	HOOKED_WITHOUT_R2,
	HOOKED_COUNT
};

/* As gup_fast_only(), never longer than two bounded waits. */
u32 hooked_walk(enum hooked_id id, struct mm *mm, u64 start, u32 count, unsigned flags,
		paddr_t *pages);

/* The walk of that scheme (walk.h); HOOKED_COUNT: there is none of that name. */
enum hooked_id hooked_scheme(const char *name);

/* Tables have been changed: walks that are held up may go on. */
void hooked_progress(void);

/* Whether a walk of that CPU is held up. */
bool hooked_holding(u32 cpu);

struct hooked_counts {
	u64 walks;
	u64 held;      /* of them, held up */
	u64 overtaken; /* and tables were changed meanwhile */
	u64 steps;     /* hooks passed */
	u64 masked;    /* with interrupts off */
};
void hooked_counts(struct hooked_counts *sum);

/* `hold`: walks are held up; else the hooks only look. */
void hooked_reset(u64 seed, bool hold);

/* The time until now is none that a change took. */
void hooked_start(void);

#endif
