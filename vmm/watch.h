/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watching the flush service: how long calls took, whom they kicked, and whom they waited for.
 *
 * Each thread that makes requests (a vCPU's, and "rings") has a watch of its own, and makes them
 * through the watch's own view of the service: the same targets, but with operations that look
 * before they do what the real ones do. Without --stats and --trace there are no watches, the
 * pointer is NULL everywhere, and requests go to the service itself.
 *
 * "Waited for": the host's own account of the target's CPU time says how much of a wait the
 * target's thread did not run. That is evidence of the host's scheduler, not a guess from the
 * length of the wait. It does not tell a thread that the host kept off the CPU from one
 * that slept; a kick wakes those that sleep. The target says itself when it has left KVM_RUN:
 * if the initiator goes on later than that, it was the initiator's CPU that was busy.
 */
#ifndef HF_VMM_WATCH_H
#define HF_VMM_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flush.h"
#include "histogram.h"
#include "trace.h"

/* X(id, name): kinds of requests; JSON keys and names of spans too. */
#define WATCH_KIND_LIST(X)  \
	X(FLUSH, "flush")   \
	X(STRONG, "strong") \
	X(FENCE, "fence")   \
	X(DETACH, "detach") \
	X(RING, "ring")

enum watch_kind {
#define WATCH_KIND_ID(id, name) WATCH_##id,
	WATCH_KIND_LIST(WATCH_KIND_ID)
#undef WATCH_KIND_ID
		WATCH_KINDS,
};

/* X(name, "what is counted"); written by the watch's own thread, read by any. */
#define WATCH_COUNTERS(X)                                               \
	X(kicks, "signals sent")                                        \
	X(kicks_saved, "targets that were not in KVM_RUN: no signal")   \
	X(waits, "for a target, in strong flushes and detaches")        \
	X(wait_ns, "of them all")                                       \
	X(wait_late_ns, "of that, after the target had left KVM_RUN")   \
	X(wait_off_cpu_ns, "of the rest, while the target did not run") \
	X(interrupted, "KVM_RUNs of this vCPU that a signal has ended") \
	X(spurious, "of them, with no flush due any more")

struct watch_counters {
#define WATCH_COUNTER_FIELD(name, what) _Atomic uint64_t name;
	WATCH_COUNTERS(WATCH_COUNTER_FIELD)
#undef WATCH_COUNTER_FIELD
};

struct watch_set;

struct watch {
	struct flush_service service; /* the view; its ctx is this watch */
	struct watch_set *set;
	unsigned self; /* the vCPU; service.count: the thread "rings" */
	struct histogram latency[WATCH_KINDS];
	struct watch_counters counters;
	struct trace_ring *ring; /* NULL: no trace */
	_Atomic uint64_t arrow;	 /* of the first kick of this vCPU that is not answered, or 0 */

	/* As a target: who waits for it, and when it has first left KVM_RUN since, after how much
	 * CPU time. */
	_Atomic uint32_t waiters;
	_Atomic uint64_t left, left_cpu;

	/* The thread's own: */
	uint64_t arrows;  /* begun so far */
	uint64_t entered; /* when it set out for KVM_RUN */
	struct {
		enum watch_kind kind;
		uint64_t start;
		uint32_t kicks, targets;
	} call;
	struct {
		uint64_t start, cpu;
	} wait;
};

struct watch_set {
	const struct flush_service *service; /* the real one */
	/* CPU time that the target's thread has had so far, ns; `service->ctx` is given. */
	uint64_t (*cpu_time)(void *ctx, unsigned vcpu);
	_Atomic bool closed; /* no more events */
	/* Somebody should take events; `service->ctx` is given. May be NULL without a trace. */
	void (*hurry)(void *ctx);
	struct watch *watches;
};

/* As in the list. */
const char *watch_kind_name(enum watch_kind kind);

/* Fills in watch `self` of the set; the rest of *w is zero. `ring` may be NULL. */
void watch_init(struct watch_set *set, unsigned self, struct trace_ring *ring);

struct flush_service *watch_start(struct watch *w, enum watch_kind kind);
void watch_stop(struct watch *w, uint64_t covers);
void watch_enter_traced(struct watch *w);
void watch_flushed_traced(struct watch *w);
void watch_left_watched(struct watch *w, int error, unsigned exit_reason);

/*
 * The owner's thread is about to make a request. Returns the service to make it of: the view,
 * or `service` if w is NULL.
 */
static inline struct flush_service *watch_begin(struct watch *w, enum watch_kind kind,
						struct flush_service *service)
{
	return w ? watch_start(w, kind) : service;
}

/* The request has been served. `covers`: 4 KiB pages, UINT64_MAX for all; of a ring, entries. */
static inline void watch_end(struct watch *w, uint64_t covers)
{
	if (w)
		watch_stop(w, covers);
}

/* A vCPU's thread, before flush_enter(). */
static inline void watch_enter(struct watch *w)
{
	if (__builtin_expect(w && w->ring, 0))
		watch_enter_traced(w);
}

/* A vCPU's thread, when it has carried out a flush before it enters. */
static inline void watch_flushed(struct watch *w)
{
	if (__builtin_expect(w && w->ring, 0))
		watch_flushed_traced(w);
}

/* A vCPU's thread, after flush_leave(). KVM_RUN has failed with `error`, or else it is 0. */
static inline void watch_left(struct watch *w, int error, unsigned exit_reason)
{
	if (w)
		watch_left_watched(w, error, exit_reason);
}

#endif
