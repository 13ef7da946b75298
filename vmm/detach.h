/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The `detach` call's state machine: asks vCPUs to leave a root, and takes back
 * what was not answered in time. Like flush.h it knows neither KVM nor guest memory.
 *
 *   initiator                                  target's own thread, outside KVM_RUN
 *   IDLE -> CLAIMED  (or: somebody else asks)
 *   fill, POSTED, post a flush: the kick
 *                                              POSTED -> TAKEN
 *                                              lazy word by compare-and-swap, CR3, flush
 *                                              MOVED or KEPT, wake
 *   MOVED, KEPT -> IDLE
 *   deadline, or the target is `asking`: POSTED -> IDLE
 *
 * Every arrow from POSTED is a compare-and-swap, so either the target acts or the
 * initiator has taken the request back: no vCPU is moved after the call. A TAKEN
 * request is waited for: only host code runs until it is answered.
 *
 * A vCPU that is an initiator itself answers nobody before it is back in its loop, and
 * is not waited for: two that ask each other would both sit out their deadlines. Each
 * sets its own `asking` before it looks at that of others, so of those who would wait in a
 * circle the last to look finds it set.
 */
#ifndef HF_VMM_DETACH_H
#define HF_VMM_DETACH_H

#include "flush.h"

enum detach_state {
	DETACH_IDLE,
	DETACH_CLAIMED,
	DETACH_POSTED,
	DETACH_TAKEN,
	DETACH_MOVED,
	DETACH_KEPT,
};

/* One a vCPU. Zero is DETACH_IDLE. */
struct detach_slot {
	_Alignas(64) _Atomic uint32_t state; /* enum detach_state; futex word */
	_Atomic uint32_t asking; /* this vCPU is in detach_request(); written by its thread */
	uint64_t from, to;	 /* roots; constant from POSTED on */
};

struct detach_roots {
	uint64_t from, to; /* page-aligned gpa */
};

/*
 * Thread of vCPU `self`, outside KVM_RUN. Asks the vCPUs of `set` (all below
 * svc->count, without `self`) and waits at most `deadline_us` microseconds for
 * those that do not run. *moved: those that are on the new root now. No other is
 * moved for this request, now or later.
 */
void detach_request(struct flush_service *svc, struct detach_slot *slots, unsigned self,
		    const struct vcpu_set *set, const struct detach_roots *roots,
		    uint32_t deadline_us, struct vcpu_set *moved);

/* Target's thread: whether a request waits. A hint. */
static inline bool detach_posted(const struct detach_slot *slot)
{
	return atomic_load_explicit(&slot->state, memory_order_relaxed) == DETACH_POSTED;
}

/* Target's thread: true if it has the request now, and must answer with detach_done(). */
bool detach_take(struct detach_slot *slot, struct detach_roots *roots);
void detach_done(struct detach_slot *slot, bool moved);

#endif
