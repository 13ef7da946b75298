/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread "rings": sleeps until a guest rings the doorbell, then serves all rings
 * (ring.h) until they are empty. It waits for no vCPU, so no guest can hold it up; a guest
 * that posts or rings without end keeps this thread busy, and no other.
 */
#ifndef HF_VMM_RING_SERVICE_H
#define HF_VMM_RING_SERVICE_H

#include <pthread.h>
#include <stdint.h>

#include "doorbell.h"
#include "ring.h"

struct machine;

struct ring_service {
	struct ring_set set;
	pthread_mutex_t lock; /* of the set: the thread's passes, vCPUs that register rings */
	struct doorbell doorbell;
	pthread_t thread;
	bool has_thread;
};

/* Memory, and the doorbell at its port if the machine offers the ABI. 0, or -errno after
 * machine_stop(). */
int ring_service_create(struct machine *m);

/* The thread; it ends when the machine stops and the doorbell is rung. 0, or -errno after
 * machine_stop(). */
int ring_service_start(struct machine *m);
void ring_service_join(struct machine *m);

void ring_service_destroy(struct machine *m);

#endif
