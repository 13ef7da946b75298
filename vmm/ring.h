/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's submission rings (docs/abi.md, "ring"): what lies between a doorbell and
 * the flush service. It knows neither KVM nor threads; ring_service.h has those, and
 * sees to it that one thread at a time is in here.
 *
 * A ring is guest memory, which all vCPUs write at any time. So an entry is copied once
 * and judged in the copy, how far the ring has been read stands in memory of our own, and
 * a pass takes no more entries of a ring than it has room for.
 *
 * need_doorbell and tail form a Dekker pair:
 *
 *   guest                                   ring_listen()
 *   tail = next                             need_doorbell = 1
 *   full barrier                            full barrier
 *   read need_doorbell; set -> doorbell     read tail; moved -> another pass
 */
#ifndef HF_VMM_RING_H
#define HF_VMM_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "flush.h"

/* The ring of one vCPU. Zero is "none". */
struct ring {
	struct hf_ring *page; /* in guest memory, page-aligned; NULL: none */
	uint32_t taken;	      /* index of the first entry that has not been read */
	uint32_t told;	      /* what the guest has last been told as `completed` */
};

/* X(name, "what is counted"): sums since the machine started; written by whoever is in here, read
 * by any thread. */
#define RING_COUNTERS(X)                          \
	X(ring_passes, "with at least one entry") \
	X(ring_entries, "taken")                  \
	X(ring_refused, "of the entries")         \
	X(ring_stopped, "rings that were overfull")

struct ring_counters {
#define RING_COUNTER_FIELD(name, what) _Atomic uint64_t name;
	RING_COUNTERS(RING_COUNTER_FIELD)
#undef RING_COUNTER_FIELD
};

struct ring_set {
	struct ring *rings; /* one a vCPU */
	unsigned count;
	struct ring_counters counters;
};

/*
 * vCPU `vcpu` has this ring from now on; NULL: none. Takes what is posted from now on,
 * not what the ring holds. The old one is not touched any more.
 */
void ring_attach(struct ring_set *set, unsigned vcpu, struct hf_ring *page);

/*
 * Takes all entries of all rings, has them flushed by one request to the service, and
 * completes them. Waits for no vCPU. Number of entries; 0: there was nothing to do.
 */
unsigned ring_serve(struct ring_set *set, struct flush_service *svc);

/* From now on nobody needs to ring the doorbell. */
void ring_quiet(struct ring_set *set);

/* From now on whoever posts rings the doorbell. True: there are entries that nobody will ring for.
 */
bool ring_listen(struct ring_set *set);

#endif
