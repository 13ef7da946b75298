/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread "rings": sleeps until a guest rings the doorbell, then serves all rings
 * (ring.h) until they are empty. It waits for no vCPU, so no guest can hold it up; a guest
 * that posts or rings without end keeps this thread busy, and no other.
 */
#ifndef HF_VMM_RING_SERVICE_H
#define HF_VMM_RING_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "doorbell.h"
#include "ring.h"

struct machine;
struct watch;

struct ring_service {
	struct ring_set set;
	pthread_mutex_t lock;	    /* of the set: the thread's passes, vCPUs that register rings */
	_Atomic uint32_t announced; /* attachments that want the lock, or have had it */
	uint32_t attached;	    /* those that have; `lock` is held, as for the set */
	pthread_cond_t attachment;  /* `attached` has gone up */
	struct doorbell doorbell;
	pthread_t thread;
	bool has_thread;
	struct watch *watch; /* NULL: nobody watches */
};

/*
 * ring_attach() from a vCPU's thread. It waits for the pass in progress, and not for all to come: a
 * mutex goes to whoever is first, and that would be the thread, which has just released it. So the
 * thread lets as many go ahead as have announced themselves before a pass, and no more: vCPUs that
 * register without end do not keep it from its rings either.
 */
static inline void ring_service_attach(struct ring_service *s, unsigned vcpu, struct hf_ring *page)
{
	atomic_fetch_add(&s->announced, 1);
	pthread_mutex_lock(&s->lock);
	ring_attach(&s->set, vcpu, page);
	s->attached++;
	pthread_cond_signal(&s->attachment);
	pthread_mutex_unlock(&s->lock);
}

/* Memory, and the doorbell at its port if the machine offers the ABI. 0, or -errno after
 * machine_stop(). */
int ring_service_create(struct machine *m);

/* The thread; it ends when the machine stops and the doorbell is rung. 0, or -errno after
 * machine_stop(). */
int ring_service_start(struct machine *m);
void ring_service_join(struct machine *m);

void ring_service_destroy(struct machine *m);

#endif
