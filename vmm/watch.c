/* SPDX-License-Identifier: BSD-2-Clause */
#include "watch.h"

#include <errno.h>
#include <time.h>

#define ARROW_OWNER_SHIFT 40 /* an arrow's number: who has begun it, and its own count */

const char *watch_kind_name(enum watch_kind kind)
{
	static const char *const names[WATCH_KINDS] = {
#define KIND_NAME(id, name) [WATCH_##id] = (name),
		WATCH_KIND_LIST(KIND_NAME)
#undef KIND_NAME
	};

	return names[kind];
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static bool traced(const struct watch *w)
{
	return w->ring && !atomic_load_explicit(&w->set->closed, memory_order_relaxed);
}

static void record(struct watch *w, const struct trace_event *e)
{
	if (trace_put(w->ring, e))
		w->set->hurry(w->set->service->ctx);
}

/*
 * The first kick that a target has not yet answered gets an arrow; others merge with it. One that
 * the target has already answered, by a flush it came to by itself, points to the next thing
 * that it answers: the spurious exit that this kick leads to.
 */
static uint64_t begin_arrow(struct watch *w, struct watch *target)
{
	uint64_t none = 0, arrow = ((uint64_t)w->self + 1) << ARROW_OWNER_SHIFT | ++w->arrows;

	return atomic_compare_exchange_strong(&target->arrow, &none, arrow) ? arrow : 0;
}

static void kick(void *ctx, unsigned vcpu)
{
	struct watch *w = ctx;
	const struct flush_service *real = w->set->service;

	add(&w->counters.kicks, 1);
	w->call.kicks++;
	w->call.targets++;
	if (traced(w)) {
		uint64_t now = now_ns();

		/* Before the kick, or the answer finds no arrow. */
		record(w, &(struct trace_event){ .type = TRACE_KICK,
						 .start = now,
						 .end = now,
						 .peer = (uint16_t)vcpu,
						 .flow = begin_arrow(w, &w->set->watches[vcpu]) });
	}
	real->ops->kick(real->ctx, vcpu);
}

static void spared(void *ctx, unsigned vcpu)
{
	struct watch *w = ctx;

	(void)vcpu;
	add(&w->counters.kicks_saved, 1);
	w->call.targets++;
}

static void barrier(void *ctx)
{
	struct watch *w = ctx;
	const struct flush_service *real = w->set->service;
	bool recorded = traced(w);
	uint64_t start = recorded ? now_ns() : 0;

	real->ops->barrier(real->ctx);
	if (recorded)
		record(w, &(struct trace_event){
				  .type = TRACE_BARRIER, .start = start, .end = now_ns() });
}

static void wait_begins(struct watch *w, unsigned vcpu)
{
	struct watch *target = &w->set->watches[vcpu];

	w->wait.start = now_ns();
	w->wait.cpu = w->set->cpu_time(w->set->service->ctx, vcpu);
	/*
	 * Before it counts, or an answer would be forgotten. Of several that wait for one target
	 * the first is told; for the others a time before their start is none.
	 */
	if (!atomic_load(&target->waiters))
		atomic_store(&target->left, 0);
	atomic_fetch_add(&target->waiters, 1); /* pairs with say_left() */
}

/*
 * None if it has shrunk: two clocks do not agree to the nanosecond, a target that was told to
 * answer somebody else may have taken its CPU time before this wait, and a thread that has ended
 * has none.
 */
static uint64_t grown(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static void wait_ends(struct watch *w, unsigned vcpu)
{
	struct watch *target = &w->set->watches[vcpu];
	uint64_t cpu = w->set->cpu_time(w->set->service->ctx, vcpu), end = now_ns();
	uint64_t left = atomic_load(&target->left); /* pairs with say_left() */

	if (left >= w->wait.start)
		cpu = atomic_load(&target->left_cpu);
	else
		left = end; /* it has not, or somebody else has been told */
	atomic_fetch_sub(&target->waiters, 1);

	uint64_t length = left - w->wait.start, ran = grown(w->wait.cpu, cpu);
	uint64_t off = grown(ran, length);

	add(&w->counters.waits, 1);
	add(&w->counters.wait_ns, end - w->wait.start);
	add(&w->counters.wait_late_ns, end - left);
	add(&w->counters.wait_off_cpu_ns, off);
	if (traced(w))
		record(w, &(struct trace_event){ .type = TRACE_WAIT,
						 .start = w->wait.start,
						 .end = end,
						 .peer = (uint16_t)vcpu,
						 .flow = end - left,
						 .a = ran,
						 .b = off });
}

/* To those who wait for this vCPU. */
static void say_left(struct watch *w)
{
	if (!atomic_load(&w->waiters) || atomic_load(&w->left))
		return;
	atomic_store(&w->left_cpu, w->set->cpu_time(w->set->service->ctx, w->self));
	atomic_store(&w->left, now_ns()); /* after left_cpu; pairs with wait_ends() */
}

static void waits(void *ctx, unsigned vcpu, bool begins)
{
	if (begins)
		wait_begins(ctx, vcpu);
	else
		wait_ends(ctx, vcpu);
}

void watch_init(struct watch_set *set, unsigned self, struct trace_ring *ring)
{
	static const struct flush_ops ops = {
		.kick = kick, .barrier = barrier, .spared = spared, .waits = waits
	};
	struct watch *w = &set->watches[self];

	w->set = set;
	w->self = self;
	w->ring = ring;
	w->service = *set->service;
	w->service.ops = &ops;
	w->service.ctx = w;
}

struct flush_service *watch_start(struct watch *w, enum watch_kind kind)
{
	w->call.kind = kind;
	w->call.kicks = w->call.targets = 0;
	w->call.start = now_ns();
	return &w->service;
}

void watch_stop(struct watch *w, uint64_t covers)
{
	uint64_t end = now_ns();

	histogram_add(&w->latency[w->call.kind], end - w->call.start);
	if (traced(w))
		record(w, &(struct trace_event){ .type = TRACE_CALL,
						 .start = w->call.start,
						 .end = end,
						 .peer = (uint16_t)w->call.kind,
						 .a = covers,
						 .b = (uint64_t)w->call.kicks << 32 |
						      w->call.targets });
}

void watch_enter_traced(struct watch *w)
{
	w->entered = now_ns();
}

void watch_flushed_traced(struct watch *w)
{
	uint64_t now = now_ns(), arrow = atomic_exchange(&w->arrow, 0);

	if (traced(w))
		record(w, &(struct trace_event){ .type = TRACE_ENTRY,
						 .start = w->entered,
						 .end = now,
						 .flow = arrow });
	w->entered = now;
}

/* A signal has ended KVM_RUN: is there still something to do for it? */
static void interrupted(struct watch *w, uint64_t now)
{
	add(&w->counters.interrupted, 1);
	if (atomic_load(&w->service.targets[w->self].pending))
		return;
	add(&w->counters.spurious, 1);
	if (traced(w))
		record(w, &(struct trace_event){ .type = TRACE_SPURIOUS,
						 .start = now,
						 .end = now,
						 .flow = atomic_exchange(&w->arrow, 0) });
}

void watch_left_watched(struct watch *w, int error, unsigned exit_reason)
{
	uint64_t now = 0;

	say_left(w);
	if (traced(w)) {
		now = now_ns();
		record(w, &(struct trace_event){ .type = TRACE_RUN,
						 .start = w->entered,
						 .end = now,
						 .a = exit_reason,
						 .b = (uint64_t)error });
	}
	if (error == EINTR)
		interrupted(w, now);
}
