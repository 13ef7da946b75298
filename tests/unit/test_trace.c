/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/trace.c: order, what a full ring does, and one thread beside the other. */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/trace.h"

#define MANY 200000u

static struct trace_ring *ring;

static int setup(void **state)
{
	(void)state;
	ring = aligned_alloc(64, sizeof(*ring));
	return ring ? (memset(ring, 0, sizeof(*ring)), 0) : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(ring);
	return 0;
}

static bool put(uint64_t number)
{
	return trace_put(ring, &(struct trace_event){ .start = number, .a = ~number });
}

static void take(uint64_t number)
{
	struct trace_event e;

	assert_true(trace_take(ring, &e));
	assert_int_equal(e.start, number);
	assert_true(e.a == ~number);
}

static void nothing(void)
{
	struct trace_event e;

	assert_false(trace_take(ring, &e));
}

static void in_order(void **state)
{
	(void)state;
	nothing();
	for (uint64_t i = 0; i < 3ul * TRACE_RING_EVENTS; i++) {
		put(2 * i);
		put(2 * i + 1);
		take(2 * i);
		take(2 * i + 1);
		nothing();
	}
	assert_int_equal(trace_dropped(ring), 0);
}

/* The oldest stay; the ring goes on when there is room again. */
static void full(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < TRACE_RING_EVENTS + 5; i++)
		put(i);
	assert_int_equal(trace_dropped(ring), 5);
	take(0);
	put(7000);
	put(7001);
	assert_int_equal(trace_dropped(ring), 6);
	for (uint64_t i = 1; i < TRACE_RING_EVENTS; i++)
		take(i);
	take(7000);
	nothing();
}

/* Whoever puts is told once that somebody should take. */
static void hurries(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (uint64_t i = 1; i <= TRACE_RING_EVENTS; i++)
			assert_int_equal(put(i), i == TRACE_RING_HURRY);
		assert_false(put(0));
		for (uint64_t i = 1; i <= TRACE_RING_EVENTS; i++)
			take(i);
	}
}

/* The counts begin again at 0 after 2^32. */
static void counts_wrap(void **state)
{
	(void)state;
	atomic_store(&ring->head, UINT32_MAX - 3);
	atomic_store(&ring->tail, UINT32_MAX - 3);
	nothing();
	for (uint64_t i = 0; i < TRACE_RING_EVENTS + 1; i++)
		put(i);
	assert_int_equal(trace_dropped(ring), 1);
	for (uint64_t i = 0; i < TRACE_RING_EVENTS; i++)
		take(i);
	nothing();
}

static _Atomic bool all_put;

static void *put_many(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < MANY; i++)
		put(i);
	atomic_store(&all_put, true);
	return NULL;
}

/* What is taken is whole and in order, and nothing is lost that is not counted. */
static void two_threads(void **state)
{
	uint64_t taken = 0, next = 0;
	struct trace_event e;
	bool right = true;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, put_many, NULL), 0);
	for (bool over = false; right && !over;) {
		bool last = atomic_load(&all_put);

		if (!trace_take(ring, &e)) {
			over = last;
			continue;
		}
		right = e.start >= next && e.a == ~e.start;
		next = e.start + 1;
		taken++;
	}
	/* Before anything may fail: the ring goes with the test. */
	pthread_join(t, NULL);
	assert_true(right);
	nothing();
	assert_int_equal(taken + trace_dropped(ring), MANY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_order), TEST(full), TEST(hurries), TEST(counts_wrap), TEST(two_threads),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
