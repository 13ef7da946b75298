/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a thread records while it is watched (watch.h): fixed-size events in a ring of its own.
 * One thread puts, the event loop's takes; neither waits for the other. What finds no room is
 * dropped and counted.
 */
#ifndef HF_VMM_TRACE_H
#define HF_VMM_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * X(id, "name in the trace", "what the span is, and what `peer`, `flow`, `a` and `b` hold").
 * CALL's name is that of its kind, WAIT's has the vCPU.
 */
#define TRACE_TYPES(X)                                                                        \
	X(RUN, "KVM_RUN", "in the guest, or halted; a: exit reason, b: errno or 0")           \
	X(CALL, "call",                                                                       \
	  "served; peer: enum watch_kind, a: what it covers, b: kicks << 32 | targets")       \
	X(BARRIER, "barrier", "one interrupt to each host CPU that runs a thread of the VMM") \
	X(KICK, "kick", "no span; peer: the target, flow: an arrow to its answer, or 0")      \
	X(WAIT, "waits for vCPU",                                                             \
	  "peer: the target; until it left KVM_RUN, a: ns of CPU time it had, b: the rest; "  \
	  "flow: ns from then until the initiator went on")                                   \
	X(ENTRY, "flush on entry", "the flush itself; flow: the arrow that ends here, or 0")  \
	X(SPURIOUS, "spurious kick",                                                          \
	  "no span: KVM_RUN was left for a flush that was done before; flow")

enum trace_type {
#define TRACE_TYPE_ID(id, name, what) TRACE_##id,
	TRACE_TYPES(TRACE_TYPE_ID)
#undef TRACE_TYPE_ID
};

struct trace_event {
	uint64_t start, end; /* CLOCK_MONOTONIC, ns; equal if it is no span */
	uint64_t flow, a, b;
	uint16_t type; /* enum trace_type */
	uint16_t peer;
};

#define TRACE_RING_EVENTS 4096u /* a power of two; 192 KiB */
#define TRACE_RING_HURRY  1024u /* with so many it is time to take some */

/* Zero is empty. */
struct trace_ring {
	_Alignas(64) _Atomic uint32_t head; /* put so far, modulo 2^32 */
	_Atomic uint64_t dropped;	    /* written by who puts */
	_Alignas(64) _Atomic uint32_t tail; /* taken so far */
	struct trace_event events[TRACE_RING_EVENTS];
};

/* The thread that owns the ring. True: it has TRACE_RING_HURRY events now, and had less. */
bool trace_put(struct trace_ring *r, const struct trace_event *e);

/* The event loop's thread. False: the ring is empty. */
bool trace_take(struct trace_ring *r, struct trace_event *e);

/* Any thread. */
static inline uint64_t trace_dropped(const struct trace_ring *r)
{
	return atomic_load_explicit(&r->dropped, memory_order_relaxed);
}

#endif
