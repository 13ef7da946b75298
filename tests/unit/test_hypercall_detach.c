/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/hypercall.c, `detach`: each error with each kind of bad input, and the limits from both
 * sides. */
#include "unit.h"

#include <string.h>

#include "shared/hyperflush_abi.h"
#include "vmm/hypercall.h"

#define FROM 0x5000ull
#define TO   0x9000ull

/* A request under construction, and what it decodes to. The header may lie about the banks. */
struct request {
	struct hf_detach head;
	uint64_t banks[HF_MAX_BANKS];
	unsigned bank_count;
	unsigned self, vcpus;
	struct detach_plan plan;
};

/* vCPU 3 asks; a machine of that many. */
static struct request banks(unsigned vcpus, uint64_t mask)
{
	return (struct request){ .head = { .bank_mask = mask, .from = FROM, .to = TO },
				 .bank_count = (unsigned)__builtin_popcountll(mask),
				 .self = 3,
				 .vcpus = vcpus };
}

/*
 * Decodes the request with `extra` bytes more than it needs. The bytes lie
 * unaligned in a block of exactly their size, for ASan. On an error the
 * plan must be as it was.
 */
static int64_t decode_resized(struct request *r, int extra)
{
	size_t bank_bytes = r->bank_count * sizeof(uint64_t), full = sizeof(r->head) + bank_bytes;
	size_t len = (size_t)((int64_t)full + extra);
	uint8_t *bytes = test_calloc(1, full + len + 1), *block = test_malloc(len + 1);
	struct detach_plan before;

	memcpy(bytes, &r->head, sizeof(r->head));
	memcpy(bytes + sizeof(r->head), r->banks, bank_bytes);
	memcpy(block + 1, bytes, len);
	memset(&before, 0xa5, sizeof(before));
	memcpy(&r->plan, &before, sizeof(before));
	int64_t result = hypercall_decode_detach(block + 1, len, r->self, r->vcpus, &r->plan);

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

static unsigned target_count(const struct request *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < HF_MAX_VCPUS; i++)
		n += vcpu_set_test(&r->plan.targets, i);
	return n;
}

static void what_the_plan_says(void **state)
{
	struct request r = banks(200, 1ull << 3 | 1ull << 1);

	(void)state;
	r.banks[0] = 1ull << 63;
	r.banks[1] = 1;
	r.head.deadline_us = 77;
	assert_s64(decode(&r), HF_OK);
	assert_int_equal(target_count(&r), 2);
	assert_true(vcpu_set_test(&r.plan.targets, 127));
	assert_true(vcpu_set_test(&r.plan.targets, 192));
	assert_true(r.plan.bank_mask == r.head.bank_mask);
	assert_true(r.plan.from == FROM && r.plan.to == TO);
	assert_int_equal(r.plan.deadline_us, 77);
}

static void the_caller_is_not_a_target(void **state)
{
	static const unsigned selves[] = { 0, 1, 63, 64, 127 };
	struct request r = banks(128, 3);

	(void)state;
	r.banks[0] = r.banks[1] = UINT64_MAX;
	for (size_t i = 0; i < COUNT_OF(selves); i++) {
		r.self = selves[i];
		assert_s64(decode(&r), HF_OK);
		assert_int_equal(target_count(&r), 127);
		assert_false(vcpu_set_test(&r.plan.targets, selves[i]));
	}
	struct request alone = banks(4, 1);

	alone.banks[0] = 1ull << alone.self;
	assert_s64(decode(&alone), HF_OK);
	assert_int_equal(target_count(&alone), 0);
}

static void empty_set(void **state)
{
	struct request none = banks(4, 0), zero = banks(4, UINT64_MAX);

	(void)state;
	assert_s64(decode(&none), HF_OK);
	assert_int_equal(target_count(&none), 0);
	assert_s64(decode(&zero), HF_OK); /* banks beyond the machine that name nobody */
	assert_int_equal(target_count(&zero), 0);
}

static void whole_set(void **state)
{
	struct request r = banks(4096, UINT64_MAX);

	(void)state;
	memset(r.banks, 0xff, sizeof(r.banks));
	assert_s64(decode(&r), HF_OK);
	assert_int_equal(target_count(&r), 4095);
	r.vcpus = 4095;
	assert_s64(decode(&r), HF_ESET);
	r.banks[63] >>= 1;
	assert_s64(decode(&r), HF_OK);
	assert_int_equal(target_count(&r), 4094);
}

/* The last vCPU that is there, and the first that is not. */
static void last_vcpu(void **state)
{
	static const unsigned vcpus[] = { 1, 63, 64, 65, 127, 128, 129, 4032, 4095, 4096 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(vcpus); i++) {
		unsigned last = vcpus[i] - 1, beyond = vcpus[i];
		struct request r = banks(vcpus[i], 1ull << (last / HF_BANK_BITS));

		r.banks[0] = 1ull << (last % HF_BANK_BITS);
		assert_s64(decode(&r), HF_OK);
		assert_true(vcpu_set_test(&r.plan.targets, last));
		if (beyond == HF_MAX_VCPUS)
			continue;
		r.head.bank_mask = 1ull << (beyond / HF_BANK_BITS);
		r.banks[0] = 1ull << (beyond % HF_BANK_BITS);
		assert_s64(decode(&r), HF_ESET);
	}
}

/* The answer is written into the banks, so there must be some. M-DETACH-9. */
static void other_set_kinds(void **state)
{
	static const uint16_t kinds[] = { HF_SET_ALL, HF_SET_ALL_BUT_SELF, 3, 256, 0xffff };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct request without = banks(4, 0), with = banks(4, 1);

		without.head.set_kind = with.head.set_kind = kinds[i];
		assert_s64(decode(&without), HF_ESET);
		assert_s64(decode(&with), HF_ESET);
	}
}

/* M-DETACH-9 */
static void flags_and_reserved_fields(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		struct request flags = banks(4, 1), r0 = flags, r1 = flags, r2 = flags;

		flags.head.flags = 1u << (bit % 32);
		assert_s64(decode(&flags), HF_EFLAGS);
		r0.head.reserved0 = (uint16_t)(1u << (bit % 16));
		assert_s64(decode(&r0), HF_EFLAGS);
		r1.head.reserved1 = 1u << (bit % 32);
		assert_s64(decode(&r1), HF_EFLAGS);
		r2.head.reserved2 = 1ull << bit;
		assert_s64(decode(&r2), HF_EFLAGS);
	}
}

/* M-CALL-5 */
static void lengths(void **state)
{
	struct request r = banks(4096, 1ull << 63 | 2);
	int full = (int)(sizeof(r.head) + 2 * sizeof(uint64_t));

	(void)state;
	for (int extra = -full; extra < 100; extra++)
		assert_s64(decode_resized(&r, extra), extra ? HF_ESIZE : HF_OK);
	assert_s64(decode_resized(&r, (int)HF_MAX_REQUEST_BYTES - full), HF_ESIZE);
	assert_s64(decode_resized(&r, (int)HF_MAX_REQUEST_BYTES - full + 1), HF_ESIZE);
	/* A header that promises more banks, or fewer, than there are. */
	r.head.bank_mask |= 1;
	assert_s64(decode(&r), HF_ESIZE);
	r.head.bank_mask = UINT64_MAX;
	assert_s64(decode(&r), HF_ESIZE);
	r.head.bank_mask = 1;
	assert_s64(decode(&r), HF_ESIZE);
	r.head.bank_mask = 0;
	assert_s64(decode(&r), HF_ESIZE);
}

/* M-DETACH-8 */
static void roots(void **state)
{
	static const struct {
		uint64_t root;
		int64_t result;
	} cases[] = {
		{ 0, HF_OK },
		{ 0x1000, HF_OK },
		{ 0x000ffffffffff000ull, HF_OK },
		{ 1, HF_EROOT },
		{ 2, HF_EROOT },
		{ 0x1800, HF_EROOT },
		{ 1ull << 52, HF_EROOT },
		{ 1ull << 63, HF_EROOT },
		{ HF_ROOT_ANY, HF_EROOT },
		{ HF_ROOT_ANY << 12, HF_EROOT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct request from = banks(4, 1), to = from;

		from.head.from = to.head.to = cases[i].root;
		assert_s64(decode(&from), cases[i].result);
		assert_s64(decode(&to), cases[i].result);
	}
	struct request same = banks(4, 1);

	same.head.to = same.head.from;
	assert_s64(decode(&same), HF_EROOT);
	same.head.to = same.head.from = 0;
	assert_s64(decode(&same), HF_EROOT);
}

/* M-DETACH-5 */
static void deadlines(void **state)
{
	static const struct {
		uint32_t us;
		int64_t result;
	} cases[] = {
		{ 0, HF_OK },
		{ 1, HF_OK },
		{ HF_DETACH_MAX_US, HF_OK },
		{ HF_DETACH_MAX_US + 1, HF_ETIME },
		{ 1u << 31, HF_ETIME },
		{ UINT32_MAX, HF_ETIME },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct request r = banks(4, 1);

		r.head.deadline_us = cases[i].us;
		assert_s64(decode(&r), cases[i].result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_plan_says),
		cmocka_unit_test(the_caller_is_not_a_target),
		cmocka_unit_test(empty_set),
		cmocka_unit_test(whole_set),
		cmocka_unit_test(last_vcpu),
		cmocka_unit_test(other_set_kinds),
		cmocka_unit_test(flags_and_reserved_fields),
		cmocka_unit_test(lengths),
		cmocka_unit_test(roots),
		cmocka_unit_test(deadlines),
	};

	return cmocka_run_group_tests_name("hypercall: detach", tests, NULL, NULL);
}
