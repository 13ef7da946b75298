/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's side of shared/harness.h: requests to the VMM that runs a test or a benchmark. */
#ifndef GUEST_LIB_HARNESS_H
#define GUEST_LIB_HARNESS_H

#include "guest/lib/types.h"
#include "shared/harness.h"

/*
 * Carries out page->op; the reply is in the same page. Returns page->status; the
 * reason for anything but HARNESS_EOK is in page->text. Thread context; one
 * caller at a time, on any CPU.
 */
int harness_call(struct harness_page *page);

/* PLACE with vCPUs 0 to vcpus-1. The reply is in *place. Reason of a refusal in `why`, 128 bytes.
 */
int harness_place(enum harness_placement placement, u32 vcpus, struct harness_place *place,
		  char *why);

/* STOP; `why` as above. */
int harness_stop(const struct harness_stops *stops, char *why);

/* STOP_END, after a harness_stop() that succeeded: what it did. */
struct harness_stops harness_stop_end(void);

/* STATS. */
int harness_stats(struct harness_stats *stats);

#endif
