/* SPDX-License-Identifier: BSD-2-Clause */
/* `flush` and `fence` requests under construction, for the tests of vmm/hypercall.c. */
#ifndef HF_TESTS_REQUEST_FIXTURE_H
#define HF_TESTS_REQUEST_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/hyperflush_abi.h"
#include "vmm/hypercall.h"

/* And what it decodes to. The header may lie about the counts. */
struct request {
	struct hf_flush head;
	uint64_t banks[HF_MAX_BANKS];
	struct hf_range ranges[HF_MAX_RANGES + 1];
	unsigned bank_count, range_count;
	unsigned self, vcpus;
	bool fence; /* decode it as one; the plan's targets are the result */
	struct flush_plan plan;
};

/* For everybody; for the banks of `mask`, which are 0. */
struct request all(unsigned vcpus);
struct request banks(unsigned vcpus, uint64_t mask);

void add_range(struct request *r, uint64_t start, uint64_t count, uint8_t page_shift);

/*
 * Decodes the request with `extra` bytes more than it needs. The bytes lie
 * unaligned in a block of exactly their size, for ASan. On an error the
 * plan must be as it was.
 */
int64_t decode_resized(struct request *r, int extra);
int64_t decode(struct request *r);

/* Of the plan that it was decoded to. */
unsigned target_count(const struct flush_plan *plan);
bool is_target(const struct flush_plan *plan, unsigned vcpu);

#endif
