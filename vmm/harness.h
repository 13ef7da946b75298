/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's side of shared/harness.h. */
#ifndef HF_VMM_HARNESS_H
#define HF_VMM_HARNESS_H

#include <pthread.h>

#include "machine.h"
#include "placement.h"
#include "shared/harness.h"
#include "stopper.h"
#include "vcpu.h"

/* What a run's owner keeps for it; machine_options.harness. */
struct harness {
	pthread_mutex_t lock; /* one request at a time; guards the rest */
	struct placement placement;
	struct stopper stopper;
	unsigned cpu[MACHINE_MAX_VCPUS]; /* where PLACE has bound each vCPU; for the stopper */
	/*
	 * Takes a finished case; `samples` are copied out of the guest and,
	 * for HARNESS_DESCHEDULED, only those during which the victim was off
	 * its CPU: `count` may be 0. HARNESS_EOK, or HARNESS_ENOSPC if this
	 * guest has made too many. NULL: RECORD is ENOTSUP.
	 */
	int (*record)(void *ctx, const struct harness_record *record,
		      const struct harness_place *place, const struct harness_sample *samples,
		      uint32_t count, uint32_t tsc_khz);
	/* A PLACE that this host cannot give, and why. May be NULL. */
	void (*refused)(void *ctx, const struct harness_place *place, const char *reason);
	void *ctx;
	struct harness_place placed; /* what is in force; placement 0: the last PLACE failed */
};

int harness_init(struct harness *h); /* 0 or -errno */
void harness_destroy(struct harness *h);

/* A 32-bit OUT to HARNESS_PORT. 0, or -errno for a failure of the host. */
int harness_out(struct vcpu *v, uint32_t value);

#endif
