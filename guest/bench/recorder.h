/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples of one case after the other, handed to the host: shared/harness.h. */
#ifndef GUEST_BENCH_RECORDER_H
#define GUEST_BENCH_RECORDER_H

#include "guest/flush/flush.h"
#include "guest/lib/harness.h"
#include "guest/lib/types.h"

struct recorder {
	const char *suite;
	u32 samples; /* to take, unless the case says otherwise */
	struct harness_sample *sample;
	u32 taken;
	u64 random;
	struct harness_page page;
	struct flush_counters before; /* of the sample being taken */
	struct harness_stats host_before;
	bool host_counts;
};

/* samples: 1 to HARNESS_MAX_SAMPLES, else panics. Has the host place every vCPU on a CPU of its
 * own. */
struct recorder *recorder_create(const char *suite, u32 samples);

/* A case; the counters of guest and host begin. `targets`: CPUs concerned besides the caller's. */
void recorder_begin(struct recorder *r, const char *name, const char *backend, u32 targets);

/* Around what is measured, at most HARNESS_MAX_SAMPLES times a case; by one thread. */
void recorder_start(struct recorder *r);
void recorder_stop(struct recorder *r);

/* Reports the case as one KTAP result: ok if the host has taken it. */
void recorder_end(struct recorder *r);

/* The same numbers in every run. */
u64 recorder_random(struct recorder *r);

#endif
