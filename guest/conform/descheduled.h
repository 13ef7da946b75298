/* SPDX-License-Identifier: BSD-2-Clause */
/* Flushes that meet a target off its CPU, and what it reads when it runs again. */
#ifndef GUEST_CONFORM_DESCHEDULED_H
#define GUEST_CONFORM_DESCHEDULED_H

#include "guest/conform/reader.h"

/*
 * Flushes all readers (prepared, not started; CPU HARNESS_VICTIM among them, CPU 0 the caller's)
 * while a thread of the host competes for the victim's CPU: `rounds` times, then on until
 * enough flushes have met the victim off its CPU, within bounds. Which of them did is the
 * host's word, not an assumption. Reports the results as a subtest; one skip where the host
 * cannot do that. Leaves the vCPUs on host CPUs of their own.
 */
void check_descheduled_target(struct readers *r, u64 rounds);

#endif
