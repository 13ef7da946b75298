/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the suite "mm". Each reports its results; thread context, ticks stopped. */
#ifndef GUEST_STRESS_STRESS_H
#define GUEST_STRESS_STRESS_H

#include "guest/lib/types.h"

struct stress {
	u64 seed;
	u64 rounds;   /* about so many changes by each thread */
	bool refused; /* the walk scheme in force is unsafe with this flush, and was forced */
};

/* Reads of an old page after the flush; a backend that flushes nothing must be caught. */
void stress_translations(const struct stress *s);

/* Two processes trade tables and pages while others walk; walks without a check must be caught. */
void stress_trade(const struct stress *s);
void stress_trade_controls(const struct stress *s);

/* The same without hooks in the walk: the host stops vCPUs at random. */
void stress_stops(const struct stress *s);

/* 64 MiB come back although a CPU that was lazily on their root idles or does not run at all. */
void stress_lazy(const struct stress *s);

/* Walks a freed table by hardware: the quarantine must panic. */
void stress_canary(const struct stress *s);

/* Everything at random. */
void stress_storm(const struct stress *s);

/* gup_fast() never holds interrupts off. */
void stress_interrupts(const struct stress *s);

/* Frees what waits to be freed. Free pages afterwards. */
u64 stress_census(void);

#endif
