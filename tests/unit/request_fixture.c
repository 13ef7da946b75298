/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "request_fixture.h"

#include <string.h>

struct request all(unsigned vcpus)
{
	return (struct request){ .head.set_kind = HF_SET_ALL, .vcpus = vcpus };
}

struct request banks(unsigned vcpus, uint64_t mask)
{
	return (struct request){ .head.bank_mask = mask,
				 .bank_count = (unsigned)__builtin_popcountll(mask),
				 .vcpus = vcpus };
}

void add_range(struct request *r, uint64_t start, uint64_t count, uint8_t page_shift)
{
	r->head.range_count++;
	r->ranges[r->range_count++] = (struct hf_range){
		.root = HF_ROOT_ANY, .start = start, .count = count, .page_shift = page_shift
	};
}

int64_t decode_resized(struct request *r, int extra)
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

int64_t decode(struct request *r)
{
	return decode_resized(r, 0);
}

unsigned target_count(const struct flush_plan *plan)
{
	unsigned n = 0;

	for (unsigned b = 0; b < HF_MAX_BANKS; b++)
		n += (unsigned)__builtin_popcountll(plan->targets.bank[b]);
	return n;
}

bool is_target(const struct flush_plan *plan, unsigned vcpu)
{
	return plan->targets.bank[vcpu / HF_BANK_BITS] >> (vcpu % HF_BANK_BITS) & 1;
}
