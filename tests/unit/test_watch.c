/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/watch.c on the real vmm/flush.c: what is counted and recorded of requests whose targets
 * are in KVM_RUN or not. One thread plays all vCPUs: whoever is waited for leaves when its CPU
 * time is asked for.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/watch.h"

#define VCPUS 4u
#define SELF  1u
#define MS    1000000u

static struct flush_target targets[VCPUS];
static struct flush_service service;
static struct watch watches[VCPUS + 1];
static struct watch_set set;
static struct trace_ring *rings; /* VCPUS + 1 */
static unsigned kicked[VCPUS], barriers, hurries;
static uint64_t cpu[VCPUS];  /* what cpu_time() says */
static uint64_t cpu_of_wait; /* that a target gets in a wait */

static void kick(void *ctx, unsigned vcpu)
{
	assert_ptr_equal(ctx, &service);
	kicked[vcpu]++;
}

static void hurry(void *ctx)
{
	assert_ptr_equal(ctx, &service);
	hurries++;
}

static void barrier(void *ctx)
{
	assert_ptr_equal(ctx, &service);
	barriers++;
}

static uint64_t cpu_time(void *ctx, unsigned vcpu)
{
	uint64_t now = cpu[vcpu];

	assert_ptr_equal(ctx, &service);
	cpu[vcpu] += cpu_of_wait;
	if (targets[vcpu].run_seq & 1)
		flush_leave(&targets[vcpu]);
	return now;
}

static int setup(void **state)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };
	size_t bytes = (VCPUS + 1) * sizeof(*rings);

	(void)state;
	memset(targets, 0, sizeof(targets));
	memset(watches, 0, sizeof(watches));
	memset(kicked, 0, sizeof(kicked));
	memset(cpu, 0, sizeof(cpu));
	barriers = hurries = 0;
	cpu_of_wait = 0;
	rings = aligned_alloc(64, bytes);
	if (!rings)
		return -1;
	memset(rings, 0, bytes);
	service = (struct flush_service){ targets, VCPUS, &ops, &service };
	set = (struct watch_set){
		.service = &service, .cpu_time = cpu_time, .hurry = hurry, .watches = watches
	};
	for (unsigned i = 0; i <= VCPUS; i++)
		watch_init(&set, i, &rings[i]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(rings);
	return 0;
}

static struct trace_event next(unsigned track, enum trace_type type)
{
	struct trace_event e = { 0 };

	if (!trace_take(&rings[track], &e))
		fail_msg("no event of vCPU %u", track);
	assert_int_equal(e.type, type);
	assert_true(e.start && e.start <= e.end);
	return e;
}

static void no_more(unsigned track)
{
	struct trace_event e;

	if (trace_take(&rings[track], &e))
		fail_msg("an event of type %u too many", e.type);
}

static void request(unsigned self, enum watch_kind kind, uint64_t banks)
{
	struct vcpu_set who = { .bank = { banks } };

	flush_request(watch_begin(&watches[self], kind, &service), &who, kind == WATCH_STRONG);
	watch_end(&watches[self], 12);
}

static uint64_t count_of(enum watch_kind kind)
{
	struct histogram_view view = { 0 };

	histogram_read(&watches[SELF].latency[kind], &view);
	return view.count;
}

#define COUNTED(name) atomic_load(&watches[SELF].counters.name)

static void nobody_watches(void **state)
{
	(void)state;
	assert_ptr_equal(watch_begin(NULL, WATCH_FLUSH, &service), &service);
	watch_end(NULL, 1);
	watch_enter(NULL);
	watch_flushed(NULL);
	watch_left(NULL, EINTR, 0);
}

/* Two targets in KVM_RUN and one outside. */
static void plain_flush(void **state)
{
	(void)state;
	flush_enter(&targets[0]);
	flush_enter(&targets[3]);
	request(SELF, WATCH_FLUSH, 0xd);
	assert_int_equal(kicked[0] + kicked[3], 2);
	assert_int_equal(kicked[2], 0);
	assert_int_equal(barriers, 1);
	assert_int_equal(COUNTED(kicks), 2);
	assert_int_equal(COUNTED(kicks_saved), 1);
	assert_int_equal(COUNTED(waits), 0);
	assert_int_equal(count_of(WATCH_FLUSH), 1);
	assert_int_equal(count_of(WATCH_STRONG), 0);

	struct trace_event first = next(SELF, TRACE_KICK), second = next(SELF, TRACE_KICK),
			   pass = next(SELF, TRACE_BARRIER), all = next(SELF, TRACE_CALL);

	assert_int_equal(first.peer, 0);
	assert_int_equal(second.peer, 3);
	assert_true(first.flow && second.flow && first.flow != second.flow);
	assert_int_equal(all.peer, WATCH_FLUSH);
	assert_int_equal(all.a, 12);
	assert_true(all.b == (2ull << 32 | 3));
	/* Spans lie in each other. */
	assert_true(all.start <= first.start && second.start <= pass.start && pass.end <= all.end);
	no_more(SELF);
	request(SELF, WATCH_FLUSH, 1u << 2);
	assert_int_equal(next(SELF, TRACE_CALL).b, 1);
}

/* A wait has its target's name, and how much of it the target did not run. */
static void waits_for(uint64_t ran)
{
	cpu_of_wait = ran;
	flush_enter(&targets[2]);
	request(SELF, WATCH_STRONG, 1u << 2);

	next(SELF, TRACE_KICK);
	struct trace_event wait = next(SELF, TRACE_WAIT), all = next(SELF, TRACE_CALL);
	uint64_t length = wait.end - wait.start;

	assert_int_equal(wait.peer, 2);
	assert_int_equal(wait.a, ran);
	assert_int_equal(wait.b, ran < length ? length - ran : 0);
	assert_true(all.start <= wait.start && wait.end <= all.end);
	assert_int_equal(all.peer, WATCH_STRONG);
	assert_int_equal(COUNTED(waits), 1);
	assert_int_equal(COUNTED(wait_ns), length);
	assert_int_equal(COUNTED(wait_off_cpu_ns), wait.b);
	no_more(SELF);
}

static void waits_for_one_that_does_not_run(void **state)
{
	(void)state;
	waits_for(0);
}

/* More CPU time than the wait lasted, for clocks differ: never less than nothing. */
static void waits_for_one_that_runs(void **state)
{
	(void)state;
	waits_for(1000ull * MS * 60);
}

/* The target leaves at once, but the initiator goes on later: then that is not the target's. */
static void initiator_is_late(void **state)
{
	struct trace_event first, wait;

	(void)state;
	cpu_of_wait = 1;
	watches[SELF].service.ops->waits(&watches[SELF], 2, true);
	watch_enter(&watches[2]);
	watch_left(&watches[2], EINTR, 10);
	first = next(2, TRACE_RUN);
	cpu[2] = 5000; /* it goes on, and so does the clock */
	for (unsigned i = 0; i < 1000; i++)
		watch_left(&watches[2], 0, 2);
	cpu_of_wait = 0;
	watches[SELF].service.ops->waits(&watches[SELF], 2, false);
	wait = next(SELF, TRACE_WAIT);
	assert_int_equal(wait.a, 1);
	assert_true(wait.flow && wait.end - wait.flow <= first.end && first.end < wait.end);
	assert_int_equal(wait.b, wait.end - wait.start - wait.flow - 1);
	assert_int_equal(COUNTED(wait_late_ns), wait.flow);
	assert_int_equal(COUNTED(wait_off_cpu_ns), wait.b);
	assert_int_equal(atomic_load(&watches[2].waiters), 0);
}

/* What it left for others, before the wait, is no answer. */
static void left_before_the_wait(void **state)
{
	(void)state;
	atomic_store(&watches[2].waiters, 1);
	watch_left(&watches[2], 0, 2);
	watches[SELF].service.ops->waits(&watches[SELF], 2, true);
	watches[SELF].service.ops->waits(&watches[SELF], 2, false);
	assert_int_equal(next(SELF, TRACE_WAIT).flow, 0);
	assert_int_equal(atomic_load(&watches[2].waiters), 1);
}

/* The answer to others comes in this wait, but its CPU time was taken before. */
static void left_as_the_wait_began(void **state)
{
	(void)state;
	cpu[2] = 1000;
	atomic_store(&watches[2].waiters, 1);
	watches[SELF].service.ops->waits(&watches[SELF], 2, true);
	atomic_store(&watches[2].left_cpu, 999);
	atomic_store(&watches[2].left, watches[SELF].wait.start);
	watches[SELF].service.ops->waits(&watches[SELF], 2, false);
	struct trace_event wait = next(SELF, TRACE_WAIT);

	assert_int_equal(wait.a, 0);
	assert_int_equal(wait.b, 0);
	assert_int_equal(wait.flow, wait.end - wait.start);
}

/* The machine has stopped, and the target's thread has ended meanwhile: its clock is gone. */
static void target_has_ended(void **state)
{
	(void)state;
	cpu[2] = 1000;
	watches[SELF].service.ops->waits(&watches[SELF], 2, true);
	cpu[2] = 0;
	watches[SELF].service.ops->waits(&watches[SELF], 2, false);
	struct trace_event wait = next(SELF, TRACE_WAIT);

	assert_int_equal(wait.a, 0);
	assert_int_equal(wait.b, wait.end - wait.start);
}

static void waits_for_nobody_outside(void **state)
{
	(void)state;
	request(SELF, WATCH_STRONG, 1u << 2);
	next(SELF, TRACE_CALL);
	no_more(SELF);
	assert_int_equal(COUNTED(waits), 0);
}

/* The arrow of a kick ends where its target flushes; of several, the first has it. */
static void arrows(void **state)
{
	(void)state;
	watch_enter(&watches[2]);
	flush_enter(&targets[2]);
	request(SELF, WATCH_FLUSH, 1u << 2);
	request(0, WATCH_FLUSH, 1u << 2);

	uint64_t arrow = next(SELF, TRACE_KICK).flow;

	assert_true(arrow);
	assert_int_equal(next(0, TRACE_KICK).flow, 0);
	flush_leave(&targets[2]);
	watch_left(&watches[2], EINTR, 10);
	assert_int_equal(next(2, TRACE_RUN).b, EINTR);
	no_more(2); /* it was not for nothing */
	watch_enter(&watches[2]);
	assert_true(flush_enter(&targets[2]));
	watch_flushed(&watches[2]);
	assert_true(next(2, TRACE_ENTRY).flow == arrow);
	/* The next kick has an arrow again, another one. */
	request(SELF, WATCH_FLUSH, 1u << 2);
	next(SELF, TRACE_BARRIER);
	next(SELF, TRACE_CALL);
	struct trace_event again = next(SELF, TRACE_KICK);

	assert_true(again.flow && again.flow != arrow);
	assert_int_equal(atomic_load(&watches[2].counters.interrupted), 1);
	assert_int_equal(atomic_load(&watches[2].counters.spurious), 0);
}

/* A kick that comes when its flush is done: the arrow ends there. */
static void spurious(void **state)
{
	(void)state;
	watch_enter(&watches[2]);
	flush_enter(&targets[2]);
	request(SELF, WATCH_FLUSH, 1u << 2);
	uint64_t arrow = next(SELF, TRACE_KICK).flow;

	atomic_store(&targets[2].pending, 0);
	flush_leave(&targets[2]);
	watch_left(&watches[2], EINTR, 10);
	next(2, TRACE_RUN);
	assert_true(next(2, TRACE_SPURIOUS).flow == arrow);
	assert_int_equal(atomic_load(&watches[2].counters.spurious), 1);
	/* An exit is no signal. */
	watch_left(&watches[2], 0, 2);
	assert_int_equal(next(2, TRACE_RUN).a, 2);
	no_more(2);
	assert_int_equal(atomic_load(&watches[2].counters.interrupted), 1);
}

/* A flush on entry comes before the KVM_RUN that it is for, not in it. */
static void flush_before_run(void **state)
{
	(void)state;
	atomic_store(&targets[0].pending, 1);
	watch_enter(&watches[0]);
	assert_true(flush_enter(&targets[0]));
	watch_flushed(&watches[0]);
	watch_left(&watches[0], 0, 2);
	struct trace_event flush = next(0, TRACE_ENTRY), run = next(0, TRACE_RUN);

	assert_int_equal(flush.flow, 0);
	assert_true(flush.end <= run.start);
}

/* A closed trace records nothing; counting goes on. */
static void closed(void **state)
{
	(void)state;
	atomic_store(&set.closed, true);
	flush_enter(&targets[0]);
	request(SELF, WATCH_STRONG, 1);
	watch_enter(&watches[SELF]);
	watch_flushed(&watches[SELF]);
	watch_left(&watches[SELF], EINTR, 10);
	no_more(SELF);
	assert_int_equal(COUNTED(kicks), 1);
	assert_int_equal(COUNTED(waits), 1);
	assert_int_equal(COUNTED(spurious), 1);
	assert_int_equal(count_of(WATCH_STRONG), 1);
}

static void hurries_in_time(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= TRACE_RING_EVENTS; i++) {
		watch_left(&watches[SELF], 0, 2);
		assert_int_equal(hurries, i >= TRACE_RING_HURRY);
	}
}

/* Statistics alone. */
static void no_trace(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= VCPUS; i++)
		watches[i].ring = NULL;
	flush_enter(&targets[0]);
	request(SELF, WATCH_FLUSH, 1);
	watch_left(&watches[SELF], EINTR, 10);
	no_more(SELF);
	assert_int_equal(kicked[0], 1);
	assert_int_equal(barriers, 1);
	assert_int_equal(COUNTED(kicks), 1);
	assert_int_equal(COUNTED(interrupted), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_watches),
		TEST(plain_flush),
		TEST(waits_for_one_that_does_not_run),
		TEST(waits_for_one_that_runs),
		TEST(initiator_is_late),
		TEST(left_before_the_wait),
		TEST(left_as_the_wait_began),
		TEST(target_has_ended),
		TEST(waits_for_nobody_outside),
		TEST(hurries_in_time),
		TEST(arrows),
		TEST(spurious),
		TEST(flush_before_run),
		TEST(closed),
		TEST(no_trace),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
