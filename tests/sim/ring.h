/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's side of the hyperflush ring (docs/abi.md): guest/flush/ring.c posts, and the
 * host takes what it finds, flushes one target after the other at any later time, and then
 * says that it is done. It acts as ACT_IRQ of a CPU.
 */
#ifndef SIM_RING_H
#define SIM_RING_H

#include "tests/sim/machine.h"

void ring_reset(void);

/* During setup: every CPU gets its ring. */
void ring_open(void);

/* Whether the host has something to do that is counted as that CPU's. */
bool ring_due(unsigned cpu);
void ring_act(struct sim_cpu *c);

/* After the schedule: the host does what is left. */
void ring_finish(void);
/* The rings' pages go, for the census. */
void ring_close(void);

/* A flush of `va` on that CPU is posted and not complete. */
bool ring_owes(unsigned cpu, u64 va);

#endif
