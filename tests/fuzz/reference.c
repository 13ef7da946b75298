/* SPDX-License-Identifier: BSD-2-Clause */
#include "reference.h"

#include <string.h>

#include "shared/hyperflush_abi.h"

typedef unsigned __int128 wide;

bool reference_in_ram(const struct gmem *gm, uint64_t gpa, uint64_t len)
{
	wide end = (wide)gpa + len, high_end = (wide)GMEM_HOLE_END + gm->high;

	return len && (end <= gm->low || (gpa >= GMEM_HOLE_END && end <= high_end));
}

static bool zero(const void *p, size_t n)
{
	const uint8_t *bytes = p;

	while (n && !bytes[n - 1])
		n--;
	return !n;
}

/* Addresses that a 48-bit CPU takes, as numbers from 0 to 2^48 - 1; none for the hole between. */
static bool half(uint64_t va, uint64_t *offset, bool *upper)
{
	*upper = va >> 63;
	*offset = *upper ? va - 0xffff800000000000ull : va;
	return *upper ? va >= 0xffff800000000000ull : va < 0x0000800000000000ull;
}

static bool good_range(const struct hf_range *r)
{
	wide bytes = (wide)r->count << r->page_shift % 64;
	uint64_t offset;
	bool upper;

	if (r->scope > HF_SCOPE_GLOBALS || !zero(r->reserved, sizeof(r->reserved)))
		return false;
	if (r->page_shift != 12 && r->page_shift != 21 && r->page_shift != 30)
		return false;
	if (r->root != HF_ROOT_ANY && (r->root % 4096 || r->root >= 1ull << 52))
		return false;
	if (r->count == HF_COUNT_ALL)
		return r->start == 0;
	if (r->start % (1ull << r->page_shift) || !half(r->start, &offset, &upper))
		return false;
	return r->count && offset + bytes <= 1ull << 47;
}

/* The set a header and its banks name; false unless `len` bytes hold just them and `rest`. */
static bool good_set(unsigned kind, uint64_t mask, const uint8_t *banks, uint64_t len,
		     uint64_t rest, unsigned self, unsigned vcpus, struct vcpu_set *named)
{
	memset(named, 0, sizeof(*named));
	for (unsigned bank = 0; bank < HF_MAX_BANKS; bank++) {
		uint64_t bits = 0;

		if (!(mask >> bank & 1))
			continue;
		if (len < sizeof(bits))
			return false;
		memcpy(&bits, banks, sizeof(bits));
		banks += sizeof(bits);
		len -= sizeof(bits);
		for (unsigned bit = 0; bit < 64; bit++) {
			if (!(bits >> bit & 1))
				continue;
			if (kind == HF_SET_BANKS && bank * 64 + bit >= vcpus)
				return false;
			vcpu_set_add(named, bank * 64 + bit);
		}
	}
	if (len != rest || kind > HF_SET_ALL_BUT_SELF || (kind != HF_SET_BANKS && mask))
		return false;
	for (unsigned i = 0; kind != HF_SET_BANKS && i < vcpus; i++)
		if (kind == HF_SET_ALL || i != self)
			vcpu_set_add(named, i);
	return true;
}

static bool good_flush(const uint8_t *request, uint64_t len, unsigned self, unsigned vcpus,
		       bool fence, struct vcpu_set *named)
{
	struct hf_flush head;
	struct hf_range range;

	if (len < sizeof(head))
		return false;
	memcpy(&head, request, sizeof(head));
	if (head.flags > HF_FLUSH_STRONG || !zero(head.reserved, sizeof(head.reserved)) ||
	    head.range_count > HF_MAX_RANGES || (fence && (head.flags || head.range_count)))
		return false;
	if (!good_set(head.set_kind, head.bank_mask, request + sizeof(head), len - sizeof(head),
		      head.range_count * sizeof(range), self, vcpus, named))
		return false;
	for (const uint8_t *end = request + len; head.range_count; head.range_count--) {
		memcpy(&range, end - head.range_count * sizeof(range), sizeof(range));
		if (!good_range(&range))
			return false;
	}
	return true;
}

static bool good_detach(const struct gmem *gm, const uint8_t *request, uint64_t len, unsigned self,
			unsigned vcpus, struct vcpu_set *named)
{
	struct hf_detach head;

	if (len < sizeof(head))
		return false;
	memcpy(&head, request, sizeof(head));
	if (head.flags || head.set_kind != HF_SET_BANKS || head.reserved0 || head.reserved1 ||
	    head.reserved2 || head.from % 4096 || head.from >= 1ull << 52 || head.to % 4096 ||
	    !reference_in_ram(gm, head.to, 4096) || head.from == head.to ||
	    head.deadline_us > HF_DETACH_MAX_US)
		return false;
	if (!good_set(head.set_kind, head.bank_mask, request + sizeof(head), len - sizeof(head), 0,
		      self, vcpus, named))
		return false;
	named->bank[self / 64] &= ~(1ull << self % 64);
	return true;
}

bool reference_call(const struct gmem *gm, uint64_t nr, const void *request, uint64_t len,
		    unsigned self, unsigned vcpus, struct vcpu_set *named)
{
	if (nr == HF_CALL_FLUSH || nr == HF_CALL_FENCE)
		return good_flush(request, len, self, vcpus, nr == HF_CALL_FENCE, named);
	return nr == HF_CALL_DETACH && good_detach(gm, request, len, self, vcpus, named);
}

bool reference_msr(const struct gmem *gm, uint32_t index, uint64_t value)
{
	static const struct {
		uint64_t unit, bytes;
	} what[HF_MSR_COUNT] = { { 4096, 4096 },
				 { 8, 8 },
				 { 64, sizeof(struct hf_vcpu_state) },
				 { 4096, sizeof(struct hf_ring) } };
	uint32_t i = index - HF_MSR_HYPERCALL_PAGE;

	return i < HF_MSR_COUNT && (!value || (value % what[i].unit == 1 &&
					       reference_in_ram(gm, value - 1, what[i].bytes)));
}
