/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/hypercall.c: what `fence` takes of a `flush` request, and what not. */
#include "unit.h"

#include "request_fixture.h"

static struct request fence_of(struct request r)
{
	r.fence = true;
	return r;
}

static void fence_targets(void **state)
{
	struct request everyone = fence_of(all(130)), others = everyone;
	struct request some = fence_of(banks(130, 5));

	(void)state;
	assert_s64(decode(&everyone), HF_OK);
	assert_int_equal(target_count(&everyone.plan), 130);
	others.head.set_kind = HF_SET_ALL_BUT_SELF;
	others.self = 129;
	assert_s64(decode(&others), HF_OK);
	assert_int_equal(target_count(&others.plan), 129);
	assert_false(is_target(&others.plan, 129));
	some.banks[0] = 1ull << 63;
	some.banks[1] = 2;
	assert_s64(decode(&some), HF_OK);
	assert_int_equal(target_count(&some.plan), 2);
	assert_true(is_target(&some.plan, 63));
	assert_true(is_target(&some.plan, 129));
}

/* M-FENCE-2 */
static void fence_sets(void **state)
{
	struct request beyond = fence_of(banks(129, 4)), kind = fence_of(all(4));
	struct request with_mask = fence_of(banks(64, 1));

	(void)state;
	beyond.banks[0] = 1;
	assert_s64(decode(&beyond), HF_OK);
	beyond.banks[0] = 2;
	assert_s64(decode(&beyond), HF_ESET);
	kind.head.set_kind = HF_SET_ALL_BUT_SELF + 1;
	assert_s64(decode(&kind), HF_ESET);
	with_mask.head.set_kind = HF_SET_ALL;
	assert_s64(decode(&with_mask), HF_ESET);
}

/* M-FENCE-2 */
static void fence_has_no_flags(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 32; bit++) {
		struct request r = fence_of(all(4));

		r.head.flags = 1u << bit;
		assert_s64(decode(&r), HF_EFLAGS);
	}
	for (unsigned bit = 0; bit < 128; bit++) {
		struct request r = fence_of(all(4));

		r.head.reserved[bit / 64] = 1ull << (bit % 64);
		assert_s64(decode(&r), HF_EFLAGS);
	}
}

/* A good range in a fence is none of its fields; a bad one is wrong in itself. M-FENCE-2. */
static void fence_has_no_ranges(void **state)
{
	struct request r = fence_of(all(4));

	(void)state;
	add_range(&r, 0, 1, HF_PAGE_4K);
	assert_s64(decode(&r), HF_EFLAGS);
	r.ranges[0].count = 0;
	assert_s64(decode(&r), HF_ERANGE);
	for (unsigned i = 1; i < HF_MAX_RANGES; i++)
		add_range(&r, 0, 1, HF_PAGE_4K);
	r.ranges[0].count = 1;
	assert_s64(decode(&r), HF_EFLAGS);
	add_range(&r, 0, 1, HF_PAGE_4K);
	assert_s64(decode(&r), HF_ESIZE);
}

static void fence_lengths(void **state)
{
	struct request r = fence_of(banks(4096, 1ull << 63 | 1));
	int full = (int)(sizeof(r.head) + 2 * sizeof(uint64_t));

	(void)state;
	for (int extra = -full; extra < 100; extra++)
		assert_s64(decode_resized(&r, extra), extra ? HF_ESIZE : HF_OK);
	assert_s64(decode_resized(&r, (int)HF_MAX_REQUEST_BYTES - full + 1), HF_ESIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fence_targets),      cmocka_unit_test(fence_sets),
		cmocka_unit_test(fence_has_no_flags), cmocka_unit_test(fence_has_no_ranges),
		cmocka_unit_test(fence_lengths),
	};

	return cmocka_run_group_tests_name("hypercall: fence", tests, NULL, NULL);
}
