/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/hypercall.c, `flush` and Xen's call: sets, lengths and flags, each error with each kind of
 * bad input, and the limits from both sides. Ranges: test_hypercall_ranges.c.
 */
#include "unit.h"

#include <string.h>

#include "request_fixture.h"
#include "shared/xen_abi.h"

/* M-FLUSH-4 */
static void everybody(void **state)
{
	static const unsigned vcpus[] = { 1, 2, 63, 64, 65, 127, 128, 129, 4095, 4096 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(vcpus); i++) {
		struct request r = all(vcpus[i]);

		assert_s64(decode(&r), HF_OK);
		assert_int_equal(target_count(&r.plan), vcpus[i]);
		assert_true(is_target(&r.plan, vcpus[i] - 1));
		assert_false(r.plan.strong);
	}
}

/* M-FLUSH-4 */
static void everybody_but_self(void **state)
{
	static const unsigned selves[] = { 0, 1, 63, 64, 65, 4095 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(selves); i++) {
		struct request r = all(4096);

		r.head.set_kind = HF_SET_ALL_BUT_SELF;
		r.self = selves[i];
		assert_s64(decode(&r), HF_OK);
		assert_int_equal(target_count(&r.plan), 4095);
		assert_false(is_target(&r.plan, selves[i]));
	}
	struct request alone = all(1);

	alone.head.set_kind = HF_SET_ALL_BUT_SELF;
	assert_s64(decode(&alone), HF_OK);
	assert_int_equal(target_count(&alone.plan), 0);
}

/* M-FLUSH-5 */
static void set_kinds_without_banks(void **state)
{
	(void)state;
	for (unsigned kind = HF_SET_ALL; kind <= HF_SET_ALL_BUT_SELF; kind++) {
		struct request r = banks(64, 1);

		r.head.set_kind = (uint16_t)kind;
		r.banks[0] = 1;
		assert_s64(decode(&r), HF_ESET);
	}
}

/* M-FLUSH-5 */
static void unknown_set_kind(void **state)
{
	static const uint16_t kinds[] = { 3, 4, 255, 256, 0x8000, 0xffff };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct request r = all(4);

		r.head.set_kind = kinds[i];
		assert_s64(decode(&r), HF_ESET);
	}
}

/* M-FLUSH-6 */
static void empty_set(void **state)
{
	struct request none = banks(4, 0), zero = banks(4, 1);

	(void)state;
	assert_s64(decode(&none), HF_OK);
	assert_int_equal(target_count(&none.plan), 0);
	assert_s64(decode(&zero), HF_OK);
	assert_int_equal(target_count(&zero.plan), 0);
}

/* M-FLUSH-7 */
static void self_in_banks(void **state)
{
	struct request r = banks(4, 1);

	(void)state;
	r.self = 2;
	r.banks[0] = 0xf;
	assert_s64(decode(&r), HF_OK);
	assert_int_equal(target_count(&r.plan), 4);
}

/* The last vCPU that is there, and the first that is not. */
static void last_vcpu(void **state)
{
	static const unsigned vcpus[] = { 1, 2, 63, 64, 65, 127, 128, 129, 4032, 4095, 4096 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(vcpus); i++) {
		unsigned last = vcpus[i] - 1, beyond = vcpus[i];
		struct request r = banks(vcpus[i], 1ull << (last / HF_BANK_BITS));

		r.banks[0] = 1ull << (last % HF_BANK_BITS);
		assert_s64(decode(&r), HF_OK);
		assert_int_equal(target_count(&r.plan), 1);
		assert_true(is_target(&r.plan, last));
		if (beyond == HF_MAX_VCPUS)
			continue;
		r.head.bank_mask = 1ull << (beyond / HF_BANK_BITS);
		r.banks[0] = 1ull << (beyond % HF_BANK_BITS);
		assert_s64(decode(&r), HF_ESET);
		r.banks[0] = 1ull << 63;
		assert_s64(decode(&r), HF_ESET);
	}
}

/* M-FLUSH-5 */
static void bank_beyond_the_machine(void **state)
{
	(void)state;
	for (unsigned b = 1; b < HF_MAX_BANKS; b++) {
		struct request r = banks(64, 1ull << b);

		r.banks[0] = 1;
		assert_s64(decode(&r), HF_ESET);
		r.banks[0] = 0; /* names nobody */
		assert_s64(decode(&r), HF_OK);
	}
}

/* M-FLUSH-4 */
static void gaps_between_banks(void **state)
{
	struct request r = banks(4096, 1ull << 63 | 1ull << 40 | 1ull << 7 | 1);

	(void)state;
	r.banks[0] = 0x1;
	r.banks[1] = 0x2;
	r.banks[2] = 0x4;
	r.banks[3] = 1ull << 63;
	assert_s64(decode(&r), HF_OK);
	assert_int_equal(target_count(&r.plan), 4);
	assert_true(is_target(&r.plan, 0));
	assert_true(is_target(&r.plan, 7 * 64 + 1));
	assert_true(is_target(&r.plan, 40 * 64 + 2));
	assert_true(is_target(&r.plan, 4095));
}

/* M-FLUSH-5 */
static void bad_bank_after_good_ones(void **state)
{
	struct request r = banks(130, 7);

	(void)state;
	r.banks[0] = r.banks[1] = UINT64_MAX;
	r.banks[2] = 3;
	assert_s64(decode(&r), HF_OK);
	assert_int_equal(target_count(&r.plan), 130);
	r.banks[2] = 4;
	assert_s64(decode(&r), HF_ESET);
}

/* M-CALL-5 */
static void lengths(void **state)
{
	struct request r = banks(4096, 5);

	(void)state;
	add_range(&r, 0, 1, HF_PAGE_4K);
	add_range(&r, 0x1000, 1, HF_PAGE_4K);
	int full = (int)(sizeof(r.head) + 2 * sizeof(uint64_t) + 2 * sizeof(struct hf_range));

	assert_s64(decode(&r), HF_OK);
	for (int extra = -full; extra < 100; extra++)
		assert_s64(decode_resized(&r, extra), extra ? HF_ESIZE : HF_OK);
	assert_s64(decode_resized(&r, (int)HF_MAX_REQUEST_BYTES - full), HF_ESIZE);
	assert_s64(decode_resized(&r, (int)HF_MAX_REQUEST_BYTES - full + 1), HF_ESIZE);
}

/* A header that promises more banks or ranges than the length has room for. M-CALL-5. */
static void counts_beyond_the_length(void **state)
{
	struct request r = all(64);

	(void)state;
	r.head.set_kind = HF_SET_BANKS;
	r.head.bank_mask = UINT64_MAX;
	assert_s64(decode(&r), HF_ESIZE);
	r.head.bank_mask = 0;
	r.head.range_count = 1;
	assert_s64(decode(&r), HF_ESIZE);
	/* Room for a bank, but it is a range that is promised. */
	assert_s64(decode_resized(&r, sizeof(uint64_t)), HF_ESIZE);
}

/* M-FLUSH-8 */
static void flags(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 32; bit++) {
		struct request r = all(4);

		r.head.flags = 1u << bit;
		assert_s64(decode(&r), r.head.flags == HF_FLUSH_STRONG ? HF_OK : HF_EFLAGS);
		if (r.head.flags == HF_FLUSH_STRONG)
			assert_true(r.plan.strong);
	}
}

/* M-FLUSH-8 */
static void reserved_fields_of_the_header(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 128; bit++) {
		struct request r = all(4);

		r.head.reserved[bit / 64] = 1ull << (bit % 64);
		assert_s64(decode(&r), HF_EFLAGS);
	}
}

static void xen(void **state)
{
	static const struct {
		uint64_t nr, op, arg;
		unsigned cpl;
		int64_t result;
	} cases[] = {
		{ XEN_HVM_OP, XEN_HVMOP_FLUSH_TLBS, 0, 0, 0 },
		{ XEN_HVM_OP, XEN_HVMOP_FLUSH_TLBS, 1, 0, -XEN_EINVAL },
		{ XEN_HVM_OP, XEN_HVMOP_FLUSH_TLBS, 1ull << 63, 0, -XEN_EINVAL },
		{ XEN_HVM_OP, XEN_HVMOP_FLUSH_TLBS + 1, 0, 0, -XEN_ENOSYS },
		{ XEN_HVM_OP, XEN_HVMOP_FLUSH_TLBS | 1ull << 32, 0, 0, -XEN_ENOSYS },
		{ XEN_HVM_OP, 0, 0, 0, -XEN_ENOSYS },
		{ XEN_HVM_OP + 1, XEN_HVMOP_FLUSH_TLBS, 0, 0, -XEN_ENOSYS },
		{ XEN_HVM_OP | 1ull << 32, XEN_HVMOP_FLUSH_TLBS, 0, 0, -XEN_ENOSYS },
		{ 0, XEN_HVMOP_FLUSH_TLBS, 0, 0, -XEN_ENOSYS },
		{ UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, -XEN_ENOSYS },
		{ XEN_HVM_OP, XEN_HVMOP_FLUSH_TLBS, 0, 3, -XEN_EPERM },
		{ XEN_HVM_OP, XEN_HVMOP_FLUSH_TLBS, 0, 1, -XEN_EPERM },
		{ 0, 0, 0, 3, -XEN_EPERM },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_s64(
			hypercall_decode_xen(cases[i].nr, cases[i].op, cases[i].arg, cases[i].cpl),
			cases[i].result);
}

static void set_fill(void **state)
{
	struct vcpu_set set;

	(void)state;
	memset(&set, 0xff, sizeof(set));
	vcpu_set_fill(&set, 0);
	for (unsigned b = 0; b < HF_MAX_BANKS; b++)
		assert_int_equal(set.bank[b], 0);
	vcpu_set_fill(&set, 65);
	assert_true(set.bank[0] == UINT64_MAX);
	assert_int_equal(set.bank[1], 1);
	assert_int_equal(set.bank[2], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody),
		cmocka_unit_test(everybody_but_self),
		cmocka_unit_test(set_kinds_without_banks),
		cmocka_unit_test(unknown_set_kind),
		cmocka_unit_test(empty_set),
		cmocka_unit_test(self_in_banks),
		cmocka_unit_test(last_vcpu),
		cmocka_unit_test(bank_beyond_the_machine),
		cmocka_unit_test(gaps_between_banks),
		cmocka_unit_test(bad_bank_after_good_ones),
		cmocka_unit_test(lengths),
		cmocka_unit_test(counts_beyond_the_length),
		cmocka_unit_test(flags),
		cmocka_unit_test(reserved_fields_of_the_header),
		cmocka_unit_test(xen),
		cmocka_unit_test(set_fill),
	};

	return cmocka_run_group_tests_name("hypercall", tests, NULL, NULL);
}
