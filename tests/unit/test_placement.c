/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/placement.c: spans made by hand, which placements fit, and a rival that starts and ends. */
#define _GNU_SOURCE
#include "unit.h"

#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/placement.h"

static cpu_set_t allowed;

static int setup(void **state)
{
	(void)state;
	return sched_getaffinity(0, sizeof(allowed), &allowed);
}

static int teardown(void **state)
{
	(void)state;
	return sched_setaffinity(0, sizeof(allowed), &allowed);
}

static void off_cpu(void **state)
{
	static struct rival_span spans[] = { { 100, 200 }, { 300, 300 }, { 400, 500 } };
	static const struct {
		uint64_t first, last;
		bool off;
	} cases[] = {
		{ 0, 0, false },	  { 99, 99, false },
		{ 100, 100, true },	  { 150, 150, true },
		{ 200, 200, true },	  { 201, 201, false },
		{ 299, 299, false },	  { 300, 300, true },
		{ 301, 301, false },	  { 399, 399, false },
		{ 400, 400, true },	  { 500, 500, true },
		{ 501, 501, false },	  { 100, 200, true },
		{ 120, 130, true },	  { 99, 150, false },
		{ 150, 201, false },	  { 150, 300, false },
		{ 100, 500, false },	  { 250, 450, false },
		{ 0, 600, false },	  { 200, 300, false },
		{ 300, 400, false },	  { 450, 449, false },
		{ 500, 100, false },	  { 501, 450, false },
		{ 0, UINT64_MAX, false }, { UINT64_MAX, UINT64_MAX, false },
	};
	struct placement p = { .spans = spans, .span_count = COUNT_OF(spans) };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(placement_off_cpu(&p, cases[i].first, cases[i].last),
				 cases[i].off);
}

static void off_cpu_without_spans(void **state)
{
	struct placement p = { 0 };
	struct rival_span one = { 5, 9 };

	(void)state;
	assert_false(placement_off_cpu(&p, 0, 0));
	assert_false(placement_off_cpu(&p, 5, 5));
	p.spans = &one;
	p.span_count = 1;
	assert_false(placement_off_cpu(&p, 4, 4));
	assert_true(placement_off_cpu(&p, 5, 5));
	assert_true(placement_off_cpu(&p, 9, 9));
	assert_true(placement_off_cpu(&p, 5, 9));
	assert_false(placement_off_cpu(&p, 4, 9));
	assert_false(placement_off_cpu(&p, 5, 10));
	assert_false(placement_off_cpu(&p, 10, 10));
}

/* Every stretch of many spans against a plain search. */
static void off_cpu_many_spans(void **state)
{
	static struct rival_span spans[100];
	struct placement p = { .spans = spans, .span_count = COUNT_OF(spans) };

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(spans); i++)
		spans[i] = (struct rival_span){ 10ull * i + 3, 10ull * i + 3 + i % 5 };
	for (uint64_t first = 0; first < 1010; first++) {
		for (uint64_t last = first; last < first + 12; last++) {
			bool expected = false;

			for (unsigned i = 0; i < COUNT_OF(spans); i++)
				expected |= spans[i].first <= first && last <= spans[i].last;
			assert_int_equal(placement_off_cpu(&p, first, last), expected);
		}
	}
}

/* This thread stands in for every vCPU thread. */
static int apply(struct placement *p, unsigned placement, unsigned vcpus, unsigned count,
		 struct harness_place *place)
{
	pid_t tids[64];
	char text[128] = "";

	assert_true(count <= COUNT_OF(tids));
	for (unsigned i = 0; i < count; i++)
		tids[i] = (pid_t)syscall(SYS_gettid);
	*place = (struct harness_place){ .placement = placement, .vcpus = vcpus };
	int status = placement_apply(p, tids, count, place, text, sizeof(text));

	assert_int_equal(status != HARNESS_EOK, strlen(text) != 0);
	return status;
}

static void bad_requests(void **state)
{
	static const struct {
		unsigned placement, vcpus;
	} cases[] = {
		{ 0, 4 },
		{ HARNESS_DESCHEDULED + 1, 4 },
		{ UINT32_MAX, 4 },
		{ HARNESS_OVERCOMMITTED, 0 },
		{ HARNESS_OVERCOMMITTED, 1 },
		{ HARNESS_OVERCOMMITTED, 5 },
		{ HARNESS_OWN_CPU, UINT32_MAX },
	};
	struct placement p;
	struct harness_place place;

	(void)state;
	assert_int_equal(placement_init(&p), 0);
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_s64(apply(&p, cases[i].placement, cases[i].vcpus, 4, &place),
			   HARNESS_EINVAL);
	assert_false(p.has_rival);
	placement_destroy(&p);
}

static void overcommitted(void **state)
{
	struct placement p;
	struct harness_place place;

	(void)state;
	assert_int_equal(placement_init(&p), 0);
	for (unsigned n = 2; n <= 64; n++) {
		assert_int_equal(apply(&p, HARNESS_OVERCOMMITTED, n, 64, &place), HARNESS_EOK);
		assert_true(place.cpus >= 1 && place.cpus <= p.cpu_count);
		assert_int_equal(place.ratio, (n + place.cpus - 1) / place.cpus);
		assert_true(place.ratio >= 2);
	}
	placement_destroy(&p);
}

static void more_vcpus_than_cpus(void **state)
{
	struct placement p;
	struct harness_place place;

	(void)state;
	assert_int_equal(placement_init(&p), 0);
	p.cpu_count = 1;
	assert_s64(apply(&p, HARNESS_OWN_CPU, 2, 2, &place), HARNESS_ENOTSUP);
	assert_s64(apply(&p, HARNESS_DESCHEDULED, 2, 2, &place), HARNESS_ENOTSUP);
	assert_int_equal(apply(&p, HARNESS_OVERCOMMITTED, 2, 2, &place), HARNESS_EOK);
	assert_int_equal(place.cpus, 1);
	placement_destroy(&p);
}

/* A thread that is not where it belongs makes every later judgement wrong. */
static void thread_cannot_be_bound(void **state)
{
	struct placement p;
	struct harness_place place;

	(void)state;
	assert_int_equal(placement_init(&p), 0);
	p.cpu_count = 2;
	p.cpus[1] = CPU_SETSIZE - 1;
	if (CPU_ISSET(CPU_SETSIZE - 1, &allowed))
		skip();
	for (unsigned kind = HARNESS_OWN_CPU; kind <= HARNESS_DESCHEDULED; kind += 2)
		assert_s64(apply(&p, kind, 2, 2, &place), HARNESS_ENOTSUP);
	assert_false(p.has_rival);
	placement_destroy(&p);
}

static void rival_leaves_ordered_spans(void **state)
{
	struct placement p;
	struct harness_place place;

	(void)state;
	assert_int_equal(placement_init(&p), 0);
	if (p.cpu_count < 2) {
		placement_destroy(&p);
		skip();
	}
	/* The rival shares this thread's CPU and may be ended before it has begun. */
	for (unsigned round = 0; round < 1000 && !p.span_count; round++) {
		assert_int_equal(apply(&p, HARNESS_DESCHEDULED, 2, 2, &place), HARNESS_EOK);
		assert_int_equal(place.cpus, 2);
		assert_int_equal(place.ratio, 1);
		sched_yield();
		placement_stop_rival(&p);
		placement_stop_rival(&p);
	}
	assert_true(p.span_count >= 1);
	for (size_t i = 0; i < p.span_count; i++) {
		assert_true(p.spans[i].first <= p.spans[i].last);
		assert_true(!i || p.spans[i - 1].last < p.spans[i].first);
	}
	/* A placement without a rival forgets the spans, and ends a rival that still runs. */
	assert_int_equal(apply(&p, HARNESS_DESCHEDULED, 2, 2, &place), HARNESS_EOK);
	assert_int_equal(apply(&p, HARNESS_OWN_CPU, 2, 2, &place), HARNESS_EOK);
	assert_false(p.has_rival);
	assert_int_equal(p.span_count, 0);
	placement_destroy(&p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off_cpu),
		cmocka_unit_test(off_cpu_without_spans),
		cmocka_unit_test(off_cpu_many_spans),
		TEST(bad_requests),
		TEST(overcommitted),
		TEST(more_vcpus_than_cpus),
		TEST(thread_cannot_be_bound),
		TEST(rival_leaves_ordered_spans),
	};

	return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
