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
		set->bank[i / HF_BANK_BITS] |= 1ull << (i % HF_BANK_BITS);
}

/* Bits of bank `b` that name a vCPU which is there. */
static uint64_t bank_present(unsigned b, unsigned vcpus)
{
	unsigned first = b * HF_BANK_BITS;

	if (vcpus <= first)
		return 0;
	return vcpus - first >= HF_BANK_BITS ? UINT64_MAX : (1ull << (vcpus - first)) - 1;
}

static int64_t decode_set(const struct hf_flush *head, const uint8_t *banks, unsigned self,
			  unsigned vcpus, struct vcpu_set *set)
{
	if (head->set_kind == HF_SET_ALL || head->set_kind == HF_SET_ALL_BUT_SELF) {
		if (head->bank_mask)
			return HF_ESET;
		vcpu_set_fill(set, vcpus);
		if (head->set_kind == HF_SET_ALL_BUT_SELF)
			set->bank[self / HF_BANK_BITS] &= ~(1ull << (self % HF_BANK_BITS));
		return HF_OK;
	}
	if (head->set_kind != HF_SET_BANKS)
		return HF_ESET;

	*set = (struct vcpu_set){ 0 };
	for (uint64_t m = head->bank_mask; m; m &= m - 1, banks += sizeof(uint64_t)) {
		unsigned b = (unsigned)__builtin_ctzll(m);

		memcpy(&set->bank[b], banks, sizeof(uint64_t));
		if (set->bank[b] & ~bank_present(b, vcpus))
			return HF_ESET;
	}
	return HF_OK;
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

	size_t bank_bytes = (size_t)__builtin_popcountll(head.bank_mask) * sizeof(uint64_t);

	if (len != sizeof(head) + bank_bytes + head.range_count * sizeof(struct hf_range))
		return HF_ESIZE;

	int64_t err = decode_set(&head, bytes + sizeof(head), self, vcpus, &set);

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

int64_t hypercall_decode_xen(uint64_t nr, uint64_t op, uint64_t arg, unsigned cpl)
{
	if (cpl)
		return -XEN_EPERM;
	if (nr != XEN_HVM_OP || op != XEN_HVMOP_FLUSH_TLBS)
		return -XEN_ENOSYS;
	return arg ? -XEN_EINVAL : 0;
}
