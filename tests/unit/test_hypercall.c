/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/hypercall.c, `flush`, `fence` and Xen's call: each error with each kind of bad input, and
 * the limits from both sides. `detach`: test_hypercall_detach.c.
 */
#include "unit.h"

#include <string.h>

#include "shared/hyperflush_abi.h"
#include "shared/xen_abi.h"
#include "vmm/hypercall.h"

#define HOLE_START 0x0000800000000000ull
#define HOLE_END   0xffff800000000000ull

/* A request under construction, and what it decodes to. The header may lie about the counts. */
struct request {
	struct hf_flush head;
	uint64_t banks[HF_MAX_BANKS];
	struct hf_range ranges[HF_MAX_RANGES + 1];
	unsigned bank_count, range_count;
	unsigned self, vcpus;
	bool fence; /* decode it as one; the plan's targets are the result */
	struct flush_plan plan;
};

static struct request all(unsigned vcpus)
{
	return (struct request){ .head.set_kind = HF_SET_ALL, .vcpus = vcpus };
}

static struct request banks(unsigned vcpus, uint64_t mask)
{
	return (struct request){ .head.bank_mask = mask,
				 .bank_count = (unsigned)__builtin_popcountll(mask),
				 .vcpus = vcpus };
}

static void add_range(struct request *r, uint64_t start, uint64_t count, uint8_t page_shift)
{
	r->head.range_count++;
	r->ranges[r->range_count++] = (struct hf_range){
		.root = HF_ROOT_ANY, .start = start, .count = count, .page_shift = page_shift
	};
}

/*
 * Decodes the request with `extra` bytes more than it needs. The bytes lie
 * unaligned in a block of exactly their size, for ASan. On an error the
 * plan must be as it was.
 */
static int64_t decode_resized(struct request *r, int extra)
{
	size_t bank_bytes = r->bank_count * sizeof(uint64_t);
	size_t range_bytes = r->range_count * sizeof(struct hf_range);
	size_t full = sizeof(r->head) + bank_bytes + range_bytes;
	size_t len = (size_t)((int64_t)full + extra);
	uint8_t *bytes = test_calloc(1, full + len + 1), *block = test_malloc(len + 1);
	struct flush_plan before;

	memcpy(bytes, &r->head, sizeof(r->head));
	memcpy(bytes + sizeof(r->head), r->banks, bank_bytes);
	memcpy(bytes + sizeof(r->head) + bank_bytes, r->ranges, range_bytes);
	memcpy(block + 1, bytes, len);
	memset(&before, 0xa5, sizeof(before));
	memcpy(&r->plan, &before, sizeof(before));
	int64_t result =
		r->fence ? hypercall_decode_fence(block + 1, len, r->self, r->vcpus,
						  &r->plan.targets)
			 : hypercall_decode_flush(block + 1, len, r->self, r->vcpus, &r->plan);

	if (result != HF_OK)
		assert_memory_equal(&r->plan, &before, sizeof(before));
	test_free(block);
	test_free(bytes);
	return result;
}

static int64_t decode(struct request *r)
{
	return decode_resized(r, 0);
}

static unsigned target_count(const struct flush_plan *plan)
{
	unsigned n = 0;

	for (unsigned b = 0; b < HF_MAX_BANKS; b++)
		n += (unsigned)__builtin_popcountll(plan->targets.bank[b]);
	return n;
}

static bool is_target(const struct flush_plan *plan, unsigned vcpu)
{
	return plan->targets.bank[vcpu / HF_BANK_BITS] >> (vcpu % HF_BANK_BITS) & 1;
}

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
		cmocka_unit_test(all_banks_and_most_ranges),
		cmocka_unit_test(too_many_ranges),
		cmocka_unit_test(lengths),
		cmocka_unit_test(counts_beyond_the_length),
		cmocka_unit_test(flags),
		cmocka_unit_test(reserved_fields_of_the_header),
		cmocka_unit_test(reserved_fields_of_a_range),
		cmocka_unit_test(scopes),
		cmocka_unit_test(page_sizes),
		cmocka_unit_test(roots),
		cmocka_unit_test(alignment),
		cmocka_unit_test(canonical_halves),
		cmocka_unit_test(counts),
		cmocka_unit_test(whole_address_space),
		cmocka_unit_test(last_of_many_ranges),
		cmocka_unit_test(fence_targets),
		cmocka_unit_test(fence_sets),
		cmocka_unit_test(fence_has_no_flags),
		cmocka_unit_test(fence_has_no_ranges),
		cmocka_unit_test(fence_lengths),
		cmocka_unit_test(xen),
		cmocka_unit_test(set_fill),
		cmocka_unit_test(flush_pages),
	};

	return cmocka_run_group_tests_name("hypercall", tests, NULL, NULL);
}
