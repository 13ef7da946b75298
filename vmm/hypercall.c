/* SPDX-License-Identifier: BSD-2-Clause */
#include "hypercall.h"

#include <string.h>

#include "shared/xen_abi.h"

#define CANONICAL_BITS 48
#define ROOT_MASK      0x000ffffffffff000ull /* SDM vol 3A 4.5: bits 51:12 of CR3 */

void vcpu_set_fill(struct vcpu_set *set, unsigned vcpus)
{
	*set = (struct vcpu_set){ 0 };
	for (unsigned i = 0; i < vcpus; i++)
		vcpu_set_add(set, i);
}

/* Bits of bank `b` that name a vCPU which is there. */
static uint64_t bank_present(unsigned b, unsigned vcpus)
{
	unsigned first = b * HF_BANK_BITS;

	if (vcpus <= first)
		return 0;
	return vcpus - first >= HF_BANK_BITS ? UINT64_MAX : (1ull << (vcpus - first)) - 1;
}

static void remove_vcpu(struct vcpu_set *set, unsigned vcpu)
{
	set->bank[vcpu / HF_BANK_BITS] &= ~(1ull << (vcpu % HF_BANK_BITS));
}

static int64_t decode_set(unsigned kind, uint64_t bank_mask, const uint8_t *banks, unsigned self,
			  unsigned vcpus, struct vcpu_set *set)
{
	if (kind == HF_SET_ALL || kind == HF_SET_ALL_BUT_SELF) {
		if (bank_mask)
			return HF_ESET;
		vcpu_set_fill(set, vcpus);
		if (kind == HF_SET_ALL_BUT_SELF)
			remove_vcpu(set, self);
		return HF_OK;
	}
	if (kind != HF_SET_BANKS)
		return HF_ESET;

	*set = (struct vcpu_set){ 0 };
	for (uint64_t m = bank_mask; m; m &= m - 1, banks += sizeof(uint64_t)) {
		unsigned b = (unsigned)__builtin_ctzll(m);

		memcpy(&set->bank[b], banks, sizeof(uint64_t));
		if (set->bank[b] & ~bank_present(b, vcpus))
			return HF_ESET;
	}
	return HF_OK;
}

static size_t bank_bytes_of(uint64_t bank_mask)
{
	return (size_t)__builtin_popcountll(bank_mask) * sizeof(uint64_t);
}

static bool canonical(uint64_t va)
{
	return (uint64_t)((int64_t)(va << (64 - CANONICAL_BITS)) >> (64 - CANONICAL_BITS)) == va;
}

static int64_t check_range(const struct hf_range *r)
{
	static const uint8_t zero[sizeof(r->reserved)];

	if (r->scope > HF_SCOPE_GLOBALS || memcmp(r->reserved, zero, sizeof(zero)))
		return HF_EFLAGS;
	if (r->page_shift != HF_PAGE_4K && r->page_shift != HF_PAGE_2M &&
	    r->page_shift != HF_PAGE_1G)
		return HF_ERANGE;
	if (r->root != HF_ROOT_ANY && (r->root & ~ROOT_MASK))
		return HF_ERANGE;
	if (r->count == HF_COUNT_ALL)
		return r->start ? HF_ERANGE : HF_OK;
	if (r->count == 0 || (r->start & ((1ull << r->page_shift) - 1)) || !canonical(r->start))
		return HF_ERANGE;
	if (r->count > UINT64_MAX >> r->page_shift)
		return HF_ERANGE;

	uint64_t last;

	if (__builtin_add_overflow(r->start, (r->count << r->page_shift) - 1, &last))
		return HF_ERANGE;
	/* Both ends canonical and in the same half: the range does not cross the hole. */
	if (!canonical(last) || (r->start ^ last) >> (CANONICAL_BITS - 1))
		return HF_ERANGE;
	return HF_OK;
}

int64_t hypercall_decode_flush(const void *request, size_t len, unsigned self, unsigned vcpus,
			       struct flush_plan *plan)
{
	const uint8_t *bytes = request;
	struct hf_flush head;
	struct vcpu_set set;

	if (len < sizeof(head) || len > HF_MAX_REQUEST_BYTES)
		return HF_ESIZE;
	memcpy(&head, bytes, sizeof(head));
	if ((head.flags & ~HF_FLUSH_STRONG) || head.reserved[0] || head.reserved[1])
		return HF_EFLAGS;
	if (head.range_count > HF_MAX_RANGES)
		return HF_ESIZE;

	size_t bank_bytes = bank_bytes_of(head.bank_mask);

	if (len != sizeof(head) + bank_bytes + head.range_count * sizeof(struct hf_range))
		return HF_ESIZE;

	int64_t err =
		decode_set(head.set_kind, head.bank_mask, bytes + sizeof(head), self, vcpus, &set);

	for (unsigned i = 0; !err && i < head.range_count; i++) {
		struct hf_range range;

		memcpy(&range, bytes + sizeof(head) + bank_bytes + i * sizeof(range),
		       sizeof(range));
		err = check_range(&range);
	}
	if (err)
		return err;
	*plan = (struct flush_plan){ .targets = set, .strong = head.flags & HF_FLUSH_STRONG };
	return HF_OK;
}

uint64_t hypercall_flush_pages(const void *request)
{
	const uint8_t *bytes = request;
	struct hf_flush head;
	uint64_t pages = 0;

	memcpy(&head, bytes, sizeof(head));
	bytes += sizeof(head) + bank_bytes_of(head.bank_mask);
	for (unsigned i = 0; i < head.range_count; i++) {
		struct hf_range r;

		memcpy(&r, bytes + i * sizeof(r), sizeof(r));
		if (r.count == HF_COUNT_ALL ||
		    __builtin_add_overflow(pages, r.count << (r.page_shift - HF_PAGE_4K), &pages))
			return UINT64_MAX;
	}
	return head.range_count ? pages : UINT64_MAX;
}

int64_t hypercall_decode_fence(const void *request, size_t len, unsigned self, unsigned vcpus,
			       struct vcpu_set *targets)
{
	struct flush_plan plan;
	int64_t err = hypercall_decode_flush(request, len, self, vcpus, &plan);
	struct hf_flush head;

	if (err)
		return err;
	memcpy(&head, request, sizeof(head));
	if (head.flags || head.range_count)
		return HF_EFLAGS;
	*targets = plan.targets;
	return HF_OK;
}

int64_t hypercall_decode_detach(const void *request, size_t len, unsigned self, unsigned vcpus,
				struct detach_plan *plan)
{
	const uint8_t *bytes = request;
	struct hf_detach head;
	struct vcpu_set set;

	if (len < sizeof(head) || len > HF_MAX_REQUEST_BYTES)
		return HF_ESIZE;
	memcpy(&head, bytes, sizeof(head));
	if (head.flags || head.reserved0 || head.reserved1 || head.reserved2)
		return HF_EFLAGS;
	if (len != sizeof(head) + bank_bytes_of(head.bank_mask))
		return HF_ESIZE;
	if (head.set_kind != HF_SET_BANKS)
		return HF_ESET;
	if ((head.from | head.to) & ~ROOT_MASK || head.from == head.to)
		return HF_EROOT;
	if (head.deadline_us > HF_DETACH_MAX_US)
		return HF_ETIME;

	int64_t err =
		decode_set(head.set_kind, head.bank_mask, bytes + sizeof(head), self, vcpus, &set);

	if (err)
		return err;
	remove_vcpu(&set, self);
	*plan = (struct detach_plan){ .targets = set,
				      .bank_mask = head.bank_mask,
				      .from = head.from,
				      .to = head.to,
				      .deadline_us = head.deadline_us };
	return HF_OK;
}

int64_t hypercall_decode_xen(uint64_t nr, uint64_t op, uint64_t arg, unsigned cpl)
{
	if (cpl)
		return -XEN_EPERM;
	if (nr != XEN_HVM_OP || op != XEN_HVMOP_FLUSH_TLBS)
		return -XEN_ENOSYS;
	return arg ? -XEN_EINVAL : 0;
}
