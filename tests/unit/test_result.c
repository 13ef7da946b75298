/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/result.c: order statistics against values worked out by hand. */
#include "unit.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "vmm/result.h"

static void assert_close(double actual, double expected)
{
	assert_true(fabs(actual - expected) <= 1e-9 * fabs(expected));
}

static void no_samples(void **state)
{
	struct result r = { .n = 5, .min = 1, .max = 1 };
	double none[1];

	(void)state;
	result_summarise(&r, none, 0, 2);
	assert_int_equal(r.n, 0);
	assert_true(isnan(r.min) && isnan(r.mean) && isnan(r.median));
	assert_true(isnan(r.p90) && isnan(r.p99) && isnan(r.max));
}

static void one_sample(void **state)
{
	struct result r = { 0 };
	double one[] = { 7 };

	(void)state;
	result_summarise(&r, one, 1, 2);
	assert_int_equal(r.n, 1);
	assert_close(r.min, 14);
	assert_close(r.mean, 14);
	assert_close(r.median, 14);
	assert_close(r.p90, 14);
	assert_close(r.p99, 14);
	assert_close(r.max, 14);
}

/* Nearest rank: of two samples the first covers half of them. */
static void two_samples(void **state)
{
	struct result r = { 0 };
	double two[] = { 30, 10 };

	(void)state;
	result_summarise(&r, two, 2, 1);
	assert_close(r.min, 10);
	assert_close(r.mean, 20);
	assert_close(r.median, 10);
	assert_close(r.p90, 30);
	assert_close(r.p99, 30);
	assert_close(r.max, 30);
}

static void five_unsorted_samples(void **state)
{
	struct result r = { 0 };
	double five[] = { 50, 15, 40, 20, 35 };

	(void)state;
	result_summarise(&r, five, 5, 1);
	assert_close(r.min, 15);
	assert_close(r.mean, 32);
	assert_close(r.median, 35); /* rank 2.5, rounded up: the third */
	assert_close(r.p90, 50);    /* rank 4.5 */
	assert_close(r.max, 50);
	for (unsigned i = 1; i < COUNT_OF(five); i++)
		assert_true(five[i - 1] <= five[i]);
}

static void a_hundred_samples(void **state)
{
	struct result r = { 0 };
	double many[101];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		many[i] = 100 - i;
	result_summarise(&r, many, 100, 1);
	assert_close(r.median, 50);
	assert_close(r.p90, 90);
	assert_close(r.p99, 99);
	assert_close(r.mean, 50.5);
	for (unsigned i = 0; i < 101; i++)
		many[i] = i + 1;
	result_summarise(&r, many, 101, 1);
	assert_close(r.median, 51); /* rank 50.5 */
	assert_close(r.p90, 91);    /* rank 90.9 */
	assert_close(r.p99, 100);   /* rank 99.99 */
	assert_close(r.max, 101);
}

static void scale(void **state)
{
	struct result r = { 0 };
	double ticks[] = { 4, 8 };

	(void)state;
	result_summarise(&r, ticks, 2, 0.25);
	assert_close(r.min, 1);
	assert_close(r.mean, 1.5);
	assert_close(r.max, 2);
}

static void counts(void **state)
{
	static const struct harness_sample samples[] = {
		{ .ticks = 9, .guest_ipis = 3, .hypercalls = 1, .waited_ticks = 400 },
		{ .ticks = 9, .guest_ipis = 0, .hypercalls = 1, .skipped = 5, .waited_ticks = 0 },
		{ .guest_ipis = UINT64_MAX, .waited_ticks = UINT64_MAX },
		{ .guest_ipis = UINT64_MAX, .waited_ticks = UINT64_MAX },
	};
	struct result r = { .per_op = { .exits = 7, .kicks = 8 } };

	(void)state;
	result_count(&r, samples, 2, 0.25);
	assert_close(r.per_op.guest_ipis, 1.5);
	assert_close(r.per_op.hypercalls, 1);
	assert_close(r.per_op.skipped, 2.5);
	assert_close(r.per_op.waited_ns, 50);
	result_count(&r, samples + 2, 2, 1); /* sums beyond 64 bits */
	assert_close(r.per_op.guest_ipis, 0x1p64);
	assert_close(r.per_op.waited_ns, 0x1p64);
	result_count(&r, samples, 0, 1);
	assert_true(isnan(r.per_op.guest_ipis) && isnan(r.per_op.hypercalls));
	assert_true(isnan(r.per_op.skipped) && isnan(r.per_op.waited_ns));
	assert_close(r.per_op.exits, 7);
	assert_close(r.per_op.kicks, 8);
}

static struct result row(const char *backend, uint32_t targets, uint32_t placement)
{
	struct result r = { .name = "flush", .targets = targets, .placement_kind = placement };

	snprintf(r.backend, sizeof(r.backend), "%s", backend);
	return r;
}

static void list(void **state)
{
	struct results all = { 0 };
	const struct result ipi3 = row("ipi", 3, HARNESS_OWN_CPU),
			    hv3 = row("hyperv", 3, HARNESS_OWN_CPU),
			    ipi3x = row("ipi", 3, HARNESS_OVERCOMMITTED),
			    hv7 = row("hyperv", 7, HARNESS_OWN_CPU);

	(void)state;
	results_begin(&all);
	assert_null(results_find(&all, "flush", "ipi", &ipi3));
	assert_int_equal(results_add(&all, &ipi3), 0);
	assert_int_equal(results_add(&all, &hv3), 0);
	assert_int_equal(results_add(&all, &ipi3x), 0);
	assert_int_equal(results_add(&all, &hv7), 0);
	assert_int_equal(all.count, 4);
	assert_ptr_equal(results_find(&all, "flush", "ipi", &hv3), &all.list[0]);
	assert_ptr_equal(results_find(&all, "flush", "ipi", &ipi3x), &all.list[2]);
	assert_null(results_find(&all, "flush", "ipi", &hv7));
	assert_null(results_find(&all, "flush", "xen", &hv3));
	results_free(&all);
	assert_int_equal(all.count, 0);
	assert_null(all.list);
}

/* Before the first guest nothing is taken; each guest has its share, whatever others took. */
static void a_guest_has_its_share(void **state)
{
	struct results all = { 0 };
	const struct result r = row("ipi", 3, HARNESS_OWN_CPU);

	(void)state;
	assert_s64(results_add(&all, &r), -ENOSPC);
	assert_s64(results_skip(&all, "ipi", 3, "why"), -ENOSPC);
	for (size_t guest = 1; guest <= 3; guest++) {
		size_t share = guest == 2 ? 1 : RESULTS_A_GUEST;
		size_t rows = all.count + share, skipped = all.skip_count + share;

		results_begin(&all);
		for (size_t i = 0; i < share; i++) {
			assert_int_equal(results_add(&all, &r), 0);
			assert_int_equal(results_skip(&all, "ipi", 3, "why"), 0);
		}
		if (share == RESULTS_A_GUEST) {
			assert_s64(results_add(&all, &r), -ENOSPC);
			assert_s64(results_skip(&all, "ipi", 3, "why"), -ENOSPC);
		}
		assert_int_equal(all.count, rows);
		assert_int_equal(all.skip_count, skipped);
	}
	results_free(&all);
}

static void skips(void **state)
{
	struct results all = { 0 };
	char lengthy[500];

	(void)state;
	memset(lengthy, 'r', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = 0;
	results_begin(&all);
	assert_int_equal(results_skip(&all, "xen", 3, "no KVM_CAP_XEN_HVM"), 0);
	assert_int_equal(results_skip(&all, "a-name-beyond-the-field", 7, lengthy), 0);
	assert_int_equal(all.skip_count, 2);
	assert_string_equal(all.skips[0].backend, "xen");
	assert_string_equal(all.skips[0].reason, "no KVM_CAP_XEN_HVM");
	assert_int_equal(all.skips[1].targets, 7);
	assert_int_equal(strlen(all.skips[1].backend), sizeof(all.skips[1].backend) - 1);
	assert_int_equal(strlen(all.skips[1].reason), sizeof(all.skips[1].reason) - 1);
	results_free(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_samples),
		cmocka_unit_test(one_sample),
		cmocka_unit_test(two_samples),
		cmocka_unit_test(five_unsorted_samples),
		cmocka_unit_test(a_hundred_samples),
		cmocka_unit_test(scale),
		cmocka_unit_test(counts),
		cmocka_unit_test(list),
		cmocka_unit_test(a_guest_has_its_share),
		cmocka_unit_test(skips),
	};

	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
