/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where vCPU threads run during a measurement, and a rival thread that keeps
 * one of them off its CPU.
 */
#ifndef HF_VMM_PLACEMENT_H
#define HF_VMM_PLACEMENT_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shared/harness.h"

#define PLACEMENT_MAX_CPUS 1024u /* CPU_SETSIZE */

/*
 * Spans of TSC time during which the rival ran, and thus its victim did not:
 * within a span the kernel's count of the rival's context switches did not
 * move. Written by the rival, read after it was joined.
 */
struct rival_span {
	uint64_t first, last;
};

#define RIVAL_MAX_SPANS 65536u

struct placement {
	unsigned cpus[PLACEMENT_MAX_CPUS]; /* host CPUs this process may use */
	unsigned cpu_count;
	pthread_t rival;
	bool has_rival;
	_Atomic bool rival_stop;
	struct rival_span *spans;
	size_t span_count;
};

/* Remembers which CPUs may be used. 0 or -errno. */
int placement_init(struct placement *p);

void placement_destroy(struct placement *p);

/*
 * Binds the threads tids[0] to tids[count-1] as place->placement says and
 * fills in place->cpus and ->ratio. HARNESS_EOK: every thread is where it
 * belongs. Else HARNESS_EINVAL or HARNESS_ENOTSUP with the reason in `text`, and
 * there is no rival; if the host failed to bind a thread, others may have moved.
 */
int placement_apply(struct placement *p, const pid_t *tids, unsigned count,
		    struct harness_place *place, char *text, size_t text_size);

/* The CPU that a successful placement_apply() has bound thread i to. */
unsigned placement_cpu(const struct placement *p, const struct harness_place *place, unsigned i);

/* Ends the rival, if any. Its spans stay until the next placement_apply(). */
void placement_stop_rival(struct placement *p);

/*
 * True if the victim is known to have been off its CPU from TSC `first` to
 * `last`, both included; false if first > last. Only after placement_stop_rival().
 */
bool placement_off_cpu(const struct placement *p, uint64_t first, uint64_t last);

#endif
