/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/histogram.c: which bucket, sums, and what is said of a quantile. */
#include "unit.h"

#include "vmm/histogram.h"

#define LAST (HISTOGRAM_BUCKETS - 1)

static void buckets(void **state)
{
	(void)state;
	assert_int_equal(histogram_bucket(0), 0);
	assert_int_equal(histogram_bucket(1), 1);
	assert_int_equal(histogram_bucket(2), 2);
	assert_int_equal(histogram_bucket(3), 2);
	assert_int_equal(histogram_bucket(4), 3);
	assert_int_equal(histogram_bucket(1000), 10);
	assert_int_equal(histogram_bucket(UINT64_MAX), LAST);
	for (unsigned i = 0; i < LAST; i++) {
		assert_int_equal(histogram_bucket(histogram_bound(i)), i);
		assert_int_equal(histogram_bucket(histogram_bound(i) + 1), i + 1);
	}
	assert_true(histogram_bound(LAST) == UINT64_MAX);
}

static void sums(void **state)
{
	static const uint64_t values[] = { 0, 1, 5, 7, 4096, 3, UINT64_MAX / 2 };
	struct histogram h = { 0 };
	struct histogram_view view = { 0 };
	uint64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		histogram_add(&h, values[i]);
		sum += values[i];
	}
	histogram_read(&h, &view);
	assert_int_equal(view.count, COUNT_OF(values));
	assert_true(view.sum == sum);
	assert_true(view.max == UINT64_MAX / 2);
	assert_int_equal(view.bucket[0], 1);
	assert_int_equal(view.bucket[1], 1);
	assert_int_equal(view.bucket[2], 1);
	assert_int_equal(view.bucket[3], 2);
	assert_int_equal(view.bucket[13], 1);
	assert_int_equal(view.bucket[LAST], 1);
}

static void several(void **state)
{
	struct histogram a = { 0 }, b = { 0 };
	struct histogram_view view = { 0 };

	(void)state;
	histogram_add(&a, 100);
	histogram_add(&a, 10);
	histogram_add(&b, 12);
	histogram_read(&a, &view);
	histogram_read(&b, &view);
	assert_int_equal(view.count, 3);
	assert_int_equal(view.sum, 122);
	assert_int_equal(view.max, 100);
	assert_int_equal(view.bucket[4], 2);
}

static void quantiles(void **state)
{
	struct histogram h = { 0 };
	struct histogram_view view = { 0 };

	(void)state;
	assert_int_equal(histogram_quantile(&view, 500), 0);
	for (unsigned i = 0; i < 99; i++)
		histogram_add(&h, 5);
	histogram_add(&h, 1000);
	histogram_read(&h, &view);
	assert_int_equal(histogram_quantile(&view, 1), 7);
	assert_int_equal(histogram_quantile(&view, 500), 7);
	assert_int_equal(histogram_quantile(&view, 990), 7);
	assert_int_equal(histogram_quantile(&view, 991), 1000); /* its bucket ends at 1023 */
	assert_int_equal(histogram_quantile(&view, 1000), 1000);
}

/* So many that count * 1000 overflows. */
static void quantile_of_many(void **state)
{
	struct histogram_view view = { .count = UINT64_MAX / 2, .max = 1000 };

	(void)state;
	view.bucket[3] = UINT64_MAX / 4;
	view.bucket[10] = view.count - view.bucket[3];
	assert_int_equal(histogram_quantile(&view, 499), 7);
	assert_int_equal(histogram_quantile(&view, 501), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets),	    cmocka_unit_test(sums),
		cmocka_unit_test(several),	    cmocka_unit_test(quantiles),
		cmocka_unit_test(quantile_of_many),
	};

	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
