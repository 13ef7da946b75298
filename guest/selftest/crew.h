/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel thread on each CPU but the caller's. It carries out what it is asked and
 * spins in between: its CPU neither halts nor switches, keeps its TLB, and
 * stays lazily on the root that a job has left there.
 */
#ifndef GUEST_SELFTEST_CREW_H
#define GUEST_SELFTEST_CREW_H

#include "guest/lib/types.h"

typedef u64 crew_job(void *arg);

/* One caller, from start to stop; ticks stopped. */
void crew_start(void);

/* Runs fn(arg) on that CPU, not the caller's; its result. */
u64 crew_ask(u32 cpu, crew_job *fn, void *arg);

/* The same on all of them, at the same time; the sum of the results. */
u64 crew_ask_all(crew_job *fn, void *arg);

void crew_stop(void);

#endif
