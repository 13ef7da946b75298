/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace.h"

bool trace_put(struct trace_ring *r, const struct trace_event *e)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed), used;

	/* Acquire: pairs with the release in trace_take(), which has read the slot by then. */
	used = head - atomic_load_explicit(&r->tail, memory_order_acquire);
	if (used == TRACE_RING_EVENTS) {
		atomic_store_explicit(&r->dropped, trace_dropped(r) + 1, memory_order_relaxed);
		return false;
	}
	r->events[head % TRACE_RING_EVENTS] = *e;
	/* Release: pairs with the acquire in trace_take(): the event is there before its count. */
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	return used + 1 == TRACE_RING_HURRY;
}

bool trace_take(struct trace_ring *r, struct trace_event *e)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (atomic_load_explicit(&r->head, memory_order_acquire) == tail)
		return false;
	*e = r->events[tail % TRACE_RING_EVENTS];
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}
