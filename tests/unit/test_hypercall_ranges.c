/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/hypercall.c: the ranges of `flush`, each error with each kind of bad input, and the limits
 * from both sides. */
#include "unit.h"

#include <string.h>

#include "request_fixture.h"

#define HOLE_START 0x0000800000000000ull
#define HOLE_END   0xffff800000000000ull

/* M-FLUSH-8 */
static void reserved_fields_of_a_range(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(((struct hf_range *)NULL)->reserved); i++) {
		struct request r = all(4);

		add_range(&r, 0, 1, HF_PAGE_4K);
		add_range(&r, 0, 1, HF_PAGE_4K);
		r.ranges[1].reserved[i] = 0x80;
		assert_s64(decode(&r), HF_EFLAGS);
	}
}

/* M-FLUSH-8 */
static void scopes(void **state)
{
	(void)state;
	for (unsigned scope = 0; scope < 256; scope++) {
		struct request r = all(4);

		add_range(&r, 0, 1, HF_PAGE_4K);
		r.ranges[0].scope = (uint8_t)scope;
		assert_s64(decode(&r), scope <= HF_SCOPE_GLOBALS ? HF_OK : HF_EFLAGS);
	}
}

/* M-FLUSH-9 */
static void page_sizes(void **state)
{
	(void)state;
	for (unsigned shift = 0; shift < 256; shift++) {
		struct request r = all(4);
		bool good = shift == HF_PAGE_4K || shift == HF_PAGE_2M || shift == HF_PAGE_1G;

		add_range(&r, 0, 1, (uint8_t)shift);
		assert_s64(decode(&r), good ? HF_OK : HF_ERANGE);
		r.ranges[0].count = HF_COUNT_ALL;
		assert_s64(decode(&r), good ? HF_OK : HF_ERANGE);
	}
}

/* M-FLUSH-9 */
static void roots(void **state)
{
	static const struct {
		uint64_t root;
		int64_t result;
	} cases[] = {
		{ 0, HF_OK },
		{ 0x1000, HF_OK },
		{ 0x000ffffffffff000ull, HF_OK },
		{ HF_ROOT_ANY, HF_OK },
		{ 1, HF_ERANGE },
		{ 0x1800, HF_ERANGE },
		{ 1ull << 52, HF_ERANGE },
		{ 1ull << 63, HF_ERANGE },
		{ HF_ROOT_ANY - 1, HF_ERANGE },
		{ HF_ROOT_ANY << 12, HF_ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct request r = all(4);

		add_range(&r, 0, 1, HF_PAGE_4K);
		r.ranges[0].root = cases[i].root;
		assert_s64(decode(&r), cases[i].result);
	}
}

/* M-FLUSH-9 */
static void alignment(void **state)
{
	static const uint8_t shifts[] = { HF_PAGE_4K, HF_PAGE_2M, HF_PAGE_1G };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(shifts); i++) {
		for (unsigned bit = 0; bit < 40; bit++) {
			struct request r = all(4);

			add_range(&r, 1ull << bit, 1, shifts[i]);
			assert_s64(decode(&r), bit < shifts[i] ? HF_ERANGE : HF_OK);
		}
	}
}

/* M-FLUSH-9 */
static void canonical_halves(void **state)
{
	static const uint8_t shifts[] = { HF_PAGE_4K, HF_PAGE_2M, HF_PAGE_1G };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(shifts); i++) {
		uint64_t page = 1ull << shifts[i], half = HOLE_START >> shifts[i];
		const struct {
			uint64_t start, count;
			int64_t result;
		} cases[] = {
			{ 0, half, HF_OK },
			{ 0, half + 1, HF_ERANGE },
			{ HOLE_START - page, 1, HF_OK },
			{ HOLE_START - page, 2, HF_ERANGE },
			{ HOLE_START, 1, HF_ERANGE },
			{ HOLE_END - page, 1, HF_ERANGE },
			{ HOLE_END - page, 2, HF_ERANGE },
			{ HOLE_END, half, HF_OK },
			{ HOLE_END, half + 1, HF_ERANGE },
			{ HOLE_END, 1, HF_OK },
			{ 0 - page, 1, HF_OK },
			{ 0 - page, 2, HF_ERANGE },
			/* From one half into the other, over the whole hole. */
			{ HOLE_START - page, (HOLE_END - HOLE_START) / page + 2, HF_ERANGE },
		};

		for (size_t j = 0; j < COUNT_OF(cases); j++) {
			struct request r = all(4);

			add_range(&r, cases[j].start, cases[j].count, shifts[i]);
			assert_s64(decode(&r), cases[j].result);
		}
	}
}

/* M-FLUSH-9 */
static void counts(void **state)
{
	static const uint8_t shifts[] = { HF_PAGE_4K, HF_PAGE_2M, HF_PAGE_1G };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(shifts); i++) {
		/* Sizes in bytes that wrap to small ones, or to nothing. */
		const uint64_t bad[] = { 0,
					 1ull << (64 - shifts[i]),
					 (1ull << (64 - shifts[i])) + 1,
					 UINT64_MAX >> shifts[i],
					 (UINT64_MAX >> shifts[i]) + 1,
					 1ull << 63,
					 HF_COUNT_ALL - 1 };

		for (size_t j = 0; j < COUNT_OF(bad); j++) {
			struct request low = all(4), high = all(4);

			add_range(&low, 0, bad[j], shifts[i]);
			assert_s64(decode(&low), HF_ERANGE);
			add_range(&high, HOLE_END, bad[j], shifts[i]);
			assert_s64(decode(&high), HF_ERANGE);
		}
	}
}

/* M-FLUSH-9 */
static void whole_address_space(void **state)
{
	struct request r = all(4);

	(void)state;
	add_range(&r, 0, HF_COUNT_ALL, HF_PAGE_4K);
	assert_s64(decode(&r), HF_OK);
	r.ranges[0].start = 0x1000;
	assert_s64(decode(&r), HF_ERANGE);
	r.ranges[0].start = HOLE_END;
	assert_s64(decode(&r), HF_ERANGE);
}

static void last_of_many_ranges(void **state)
{
	struct request r = banks(64, 1);

	(void)state;
	r.banks[0] = 1;
	for (unsigned i = 0; i < HF_MAX_RANGES; i++)
		add_range(&r, (uint64_t)i << 12, 1, HF_PAGE_4K);
	r.ranges[HF_MAX_RANGES - 1].start |= 1;
	assert_s64(decode(&r), HF_ERANGE);
}

/* M-FLUSH-10 */
static void all_banks_and_most_ranges(void **state)
{
	struct request r = banks(4096, UINT64_MAX);

	(void)state;
	memset(r.banks, 0xff, sizeof(r.banks));
	for (unsigned i = 0; i < HF_MAX_RANGES; i++)
		add_range(&r, (uint64_t)i << 12, 1, HF_PAGE_4K);
	assert_s64(decode(&r), HF_OK);
	assert_int_equal(target_count(&r.plan), 4096);
}

/* M-FLUSH-10 */
static void too_many_ranges(void **state)
{
	struct request r = all(4);

	(void)state;
	for (unsigned i = 0; i < HF_MAX_RANGES + 1; i++)
		add_range(&r, 0, 1, HF_PAGE_4K);
	assert_s64(decode(&r), HF_ESIZE);
	r.head.range_count = UINT16_MAX;
	assert_s64(decode(&r), HF_ESIZE);
}

/* What the ranges of an accepted request name, behind two banks. */
static uint64_t pages(uint16_t range_count, const struct hf_range *ranges)
{
	struct {
		struct hf_flush head;
		uint64_t banks[2];
		struct hf_range ranges[3];
	} r = { .head = { .set_kind = HF_SET_BANKS, .bank_mask = 3, .range_count = range_count } };

	memcpy(r.ranges, ranges, range_count * sizeof(*ranges));
	return hypercall_flush_pages(&r);
}

static void flush_pages(void **state)
{
	const struct hf_range small = { .page_shift = HF_PAGE_4K, .count = 3 };
	const struct hf_range large = { .page_shift = HF_PAGE_2M, .count = 2 };
	const struct hf_range whole = { .page_shift = HF_PAGE_4K, .count = HF_COUNT_ALL };
	const struct hf_range most = { .page_shift = HF_PAGE_1G, .count = UINT64_MAX >> 18 };

	(void)state;
	assert_true(pages(0, &small) == UINT64_MAX);
	assert_int_equal(pages(1, &small), 3);
	assert_int_equal(pages(2, (struct hf_range[]){ small, large }), 3 + 1024);
	assert_true(pages(2, (struct hf_range[]){ small, whole }) == UINT64_MAX);
	assert_true(pages(2, (struct hf_range[]){ most, most }) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reserved_fields_of_a_range),
		cmocka_unit_test(scopes),
		cmocka_unit_test(page_sizes),
		cmocka_unit_test(roots),
		cmocka_unit_test(alignment),
		cmocka_unit_test(canonical_halves),
		cmocka_unit_test(counts),
		cmocka_unit_test(whole_address_space),
		cmocka_unit_test(last_of_many_ranges),
		cmocka_unit_test(all_banks_and_most_ranges),
		cmocka_unit_test(too_many_ranges),
		cmocka_unit_test(flush_pages),
	};

	return cmocka_run_group_tests_name("hypercall: ranges", tests, NULL, NULL);
}
