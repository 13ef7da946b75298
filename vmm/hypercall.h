/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoding and validation of hypercalls: pure functions from a request's
 * bytes and the machine's shape to a plan or an error. They touch neither KVM
 * nor guest memory.
 */
#ifndef HF_VMM_HYPERCALL_H
#define HF_VMM_HYPERCALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flush.h"

struct flush_plan {
	struct vcpu_set targets;
	bool strong;
};

/*
 * Decodes a `flush` request of `len` bytes, already copied out of the guest,
 * from vCPU `self` of `vcpus`. Returns HF_OK and fills *plan, or returns an
 * HF_E* and leaves *plan alone. The ranges are validated; the service can
 * only flush everything, so the plan does not carry them.
 */
int64_t hypercall_decode_flush(const void *request, size_t len, unsigned self, unsigned vcpus,
			       struct flush_plan *plan);

/*
 * How many 4 KiB pages the ranges of a `flush` request name, that hypercall_decode_flush() has
 * accepted; UINT64_MAX: all, or more than fit.
 */
uint64_t hypercall_flush_pages(const void *request);

/* `fence`: as hypercall_decode_flush(); fills *targets. */
int64_t hypercall_decode_fence(const void *request, size_t len, unsigned self, unsigned vcpus,
			       struct vcpu_set *targets);

struct detach_plan {
	struct vcpu_set targets; /* without the caller */
	uint64_t bank_mask;	 /* of the request: banks to be written back */
	uint64_t from, to;	 /* roots; that `to` is RAM remains to be checked */
	uint32_t deadline_us;
};

/* `detach`: as hypercall_decode_flush(). */
int64_t hypercall_decode_detach(const void *request, size_t len, unsigned self, unsigned vcpus,
				struct detach_plan *plan);

/*
 * Xen's HVMOP_flush_tlbs and every other Xen call: 0 means "flush all vCPUs",
 * otherwise the negative Xen error for RAX.
 */
int64_t hypercall_decode_xen(uint64_t nr, uint64_t op, uint64_t arg, unsigned cpl);

/* Every vCPU below `vcpus`. */
void vcpu_set_fill(struct vcpu_set *set, unsigned vcpus);

#endif
