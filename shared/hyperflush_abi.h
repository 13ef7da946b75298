/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hyperflush ABI: numbers and layouts. What they mean, and every rule that a host must
 * keep, is docs/abi.md. Host and guest include this file; it needs only <stdint.h>.
 *
 *   base+0  EAX highest leaf, EBX:ECX:EDX signature
 *   base+1  EAX version, EBX features, ECX index of the hypercall-page MSR
 *   base+2  EAX most vCPUs a set can name, EBX most ranges in a request,
 *           ECX largest request in bytes, EDX port of the rings' doorbell
 *
 * Registers: RAX call number, RDI gpa of the request, RSI its length in bytes.
 * Result in RAX: 0 or a negative HF_E*.
 */
#ifndef HF_SHARED_HYPERFLUSH_ABI_H
#define HF_SHARED_HYPERFLUSH_ABI_H

#include <stdint.h>

#define HF_VERSION   1u
#define HF_SIGNATURE "HyperFlushHF" /* 12 bytes: EBX, ECX, EDX */

#define HF_CPUID_MAX	  2u /* base + 2 */
#define HF_CPUID_FEATURES 1u
#define HF_CPUID_LIMITS	  2u

/* base+1 EBX */
#define HF_FEATURE_FLUSH	(1u << 0)
#define HF_FEATURE_LOWER_HYPERV (1u << 1) /* plain flushes are served faster by Hyper-V calls */
#define HF_FEATURE_FENCE	(1u << 2)
#define HF_FEATURE_DETACH	(1u << 3)
#define HF_FEATURE_STATE	(1u << 4)
#define HF_FEATURE_RING		(1u << 5) /* base+2 EDX: the doorbell's port */

#define HF_MSR_HYPERCALL_PAGE 0x48460000u

/*
 * Of each vCPU its own: gpa | 1, 8-byte aligned and in RAM, says where the vCPU's
 * lazy word is; 0 that there is none. Anything else is #GP. INIT forgets nothing.
 */
#define HF_MSR_LAZY_WORD (HF_MSR_HYPERCALL_PAGE + 1)

/* Of each vCPU its own: gpa | 1 of a struct hf_vcpu_state, of a struct hf_ring; 0: none. */
#define HF_MSR_STATE (HF_MSR_HYPERCALL_PAGE + 2)
#define HF_MSR_RING  (HF_MSR_HYPERCALL_PAGE + 3)
#define HF_MSR_COUNT 4u

/*
 * The lazy word: the root in CR3 (bits 51:12), who may change it, other bits 0.
 *
 *   root | HF_ACTIVE   the guest alone
 *   root | HF_LAZY     nothing the vCPU runs needs the lower half: the host may
 *                      swap the word for HF_MOVED and write CR3, when a `detach` asks
 *   root | HF_MOVED    the host has done so: CR3 is the new root, the TLB is flushed
 *
 * Whoever takes it out of HF_LAZY does so by locked compare-and-swap; the guest swaps HF_LAZY
 * for HF_ACTIVE before it writes CR3 for whatever reason. All other changes are the
 * guest's own, and plain stores do. HF_MOVED speaks to the vCPU itself: another one that reads
 * it may be early, and goes by the result of its `detach`.
 */
#define HF_ACTIVE 0ull
#define HF_LAZY	  1ull
#define HF_MOVED  2ull

#define HF_MAX_VCPUS	     4096u
#define HF_BANK_BITS	     64u
#define HF_MAX_BANKS	     (HF_MAX_VCPUS / HF_BANK_BITS)
#define HF_MAX_RANGES	     64u
#define HF_MAX_REQUEST_BYTES 4096u

/* X(id, number, "name") */
#define HF_CALLS(X)          \
	X(FLUSH, 1, "flush") \
	X(FENCE, 2, "fence") \
	X(DETACH, 3, "detach")

enum hf_call {
#define HF_CALL_ENUM(id, number, name) HF_CALL_##id = number,
	HF_CALLS(HF_CALL_ENUM)
#undef HF_CALL_ENUM
};

/* X(id, value, "what the guest did wrong") */
#define HF_ERRORS(X)                                                        \
	X(ENOSYS, -1, "no such call")                                       \
	X(EPERM, -2, "caller not at CPL 0")                                 \
	X(EFAULT, -3, "request not in guest RAM")                           \
	X(ESIZE, -4, "length does not match the request's counts")          \
	X(EFLAGS, -5, "unknown flag, or a reserved field not zero")         \
	X(ESET, -6, "vCPU set malformed or names a vCPU that is not there") \
	X(ERANGE, -7, "range wraps, is misaligned or not canonical")        \
	X(EROOT, -8, "root misaligned, not in guest RAM, or not a new one") \
	X(ETIME, -9, "deadline beyond the host's limit")                    \
	X(ERING, -10, "more entries posted than the ring has")

enum hf_error {
	HF_OK = 0,
#define HF_ERROR_ENUM(id, value, what) HF_##id = value,
	HF_ERRORS(HF_ERROR_ENUM)
#undef HF_ERROR_ENUM
};

/* hf_flush.set_kind */
#define HF_SET_BANKS	    0u /* the banks that follow; an empty set is a flush of nobody */
#define HF_SET_ALL	    1u
#define HF_SET_ALL_BUT_SELF 2u

/* hf_flush.flags */
#define HF_FLUSH_STRONG (1u << 0) /* wait until each target's thread has left the host kernel */

/* hf_range.scope */
#define HF_SCOPE_LEAF	 0u /* leaf entries changed */
#define HF_SCOPE_TABLES	 1u /* page tables were unlinked as well */
#define HF_SCOPE_GLOBALS 2u /* global entries changed as well */

#define HF_ROOT_ANY UINT64_MAX

/* hf_range.page_shift */
#define HF_PAGE_4K 12u
#define HF_PAGE_2M 21u
#define HF_PAGE_1G 30u

/* hf_range.count */
#define HF_COUNT_ALL UINT64_MAX /* the whole address space; start must be 0 */

/*
 * The request: this header, then popcount(bank_mask) banks of 64 vCPUs (bank
 * of the lowest set bit first), then range_count ranges. Exactly that long.
 * No range means: everything of every address space.
 */
struct hf_flush {
	uint32_t flags;
	uint16_t set_kind;
	uint16_t range_count;
	uint64_t bank_mask; /* bit b: vCPUs 64b to 64b+63 have a bank; 0 unless HF_SET_BANKS */
	uint64_t reserved[2];
};

struct hf_range {
	uint64_t root;	/* page-aligned gpa of the root table, or HF_ROOT_ANY */
	uint64_t start; /* aligned to the page size, canonical */
	uint64_t count; /* pages, at least 1, or HF_COUNT_ALL */
	uint8_t page_shift;
	uint8_t scope;
	uint8_t reserved[6];
};

/*
 * fence: a struct hf_flush without flags and ranges. When it returns, every
 * target that was executing guest instructions has been out of guest mode since
 * the call began, and every other one passes a full memory barrier before its
 * next guest instruction. The caller passes one too.
 */

/*
 * detach: every target whose lazy word is `from` | HF_LAZY is moved to the root `to`,
 * of the caller's choice, with its TLB flushed; the other bits of its CR3, its PCID too,
 * are 0 then. The header, then the banks of the set (HF_SET_BANKS only). On HF_OK the
 * host has written the banks over with the vCPUs it moved. Those and no others have been
 * moved when the call returns, and none will be later: whoever did not answer within
 * the deadline keeps its root. A call of two initiators for one vCPU at the same time
 * moves it for one of them at most. Not moved, and not waited for, are the caller and
 * every vCPU that is in a `detach` call of its own.
 */
struct hf_detach {
	uint32_t flags; /* 0 */
	uint16_t set_kind;
	uint16_t reserved0;
	uint64_t bank_mask;
	uint64_t from;	      /* page-aligned gpa */
	uint64_t to;	      /* page-aligned gpa in RAM, not `from` */
	uint32_t deadline_us; /* microseconds, at most HF_DETACH_MAX_US */
	uint32_t reserved1;
	uint64_t reserved2;
};

#define HF_DETACH_MAX_US 100000u

/* Aligned to its size. The host writes it. */
struct hf_vcpu_state {
	uint32_t in_run; /* 0: the vCPU executes no guest instruction */
	uint32_t reserved0;
	uint64_t flushes; /* of this vCPU, by the host; from any value on, and wraps */
	uint64_t reserved[6];
};

/*
 * ring: `flush` requests that are carried out later, posted by one vCPU. Indices run
 * on and wrap; entry i is in slot i % HF_RING_ENTRIES and its slot is free again once
 * `completed` is past i.
 */
#define HF_RING_ENTRIES	      16u
#define HF_RING_REQUEST_BYTES 120u

struct hf_ring_entry {
	uint32_t length; /* of the request */
	int32_t status;	 /* written by the host: its result */
	uint8_t request[HF_RING_REQUEST_BYTES];
};

/* Page-aligned. */
struct hf_ring {
	uint32_t tail; /* index of the next entry; the rest of this line is the guest's too */
	uint32_t reserved0[15];
	uint32_t completed;	/* entries before this index are; this line is the host's */
	uint32_t need_doorbell; /* not 0: the host sleeps, and needs an OUT of 32 bits */
	int32_t error;		/* 0, or the HF_E* for which the ring was stopped */
	uint32_t reserved1[13];
	struct hf_ring_entry entry[HF_RING_ENTRIES];
};

/* X(structure, field, offset in bytes); X(structure, size in bytes) */
#define HF_OFFSETS(X)                 \
	X(hf_flush, flags, 0)         \
	X(hf_flush, set_kind, 4)      \
	X(hf_flush, range_count, 6)   \
	X(hf_flush, bank_mask, 8)     \
	X(hf_flush, reserved, 16)     \
	X(hf_range, root, 0)          \
	X(hf_range, start, 8)         \
	X(hf_range, count, 16)        \
	X(hf_range, page_shift, 24)   \
	X(hf_range, scope, 25)        \
	X(hf_range, reserved, 26)     \
	X(hf_detach, flags, 0)        \
	X(hf_detach, set_kind, 4)     \
	X(hf_detach, reserved0, 6)    \
	X(hf_detach, bank_mask, 8)    \
	X(hf_detach, from, 16)        \
	X(hf_detach, to, 24)          \
	X(hf_detach, deadline_us, 32) \
	X(hf_detach, reserved1, 36)   \
	X(hf_detach, reserved2, 40)   \
	X(hf_vcpu_state, in_run, 0)   \
	X(hf_vcpu_state, flushes, 8)  \
	X(hf_ring_entry, length, 0)   \
	X(hf_ring_entry, status, 4)   \
	X(hf_ring_entry, request, 8)  \
	X(hf_ring, tail, 0)           \
	X(hf_ring, completed, 64)     \
	X(hf_ring, need_doorbell, 68) \
	X(hf_ring, error, 72)         \
	X(hf_ring, entry, 128)
#define HF_SIZES(X)           \
	X(hf_flush, 32)       \
	X(hf_range, 32)       \
	X(hf_detach, 48)      \
	X(hf_vcpu_state, 64)  \
	X(hf_ring_entry, 128) \
	X(hf_ring, 2176)

#define HF_ASSERT_OFFSET(s, field, at) \
	_Static_assert(__builtin_offsetof(struct s, field) == (at), #s "." #field);
#define HF_ASSERT_SIZE(s, bytes) _Static_assert(sizeof(struct s) == (bytes), #s);
HF_OFFSETS(HF_ASSERT_OFFSET)
HF_SIZES(HF_ASSERT_SIZE)
#undef HF_ASSERT_OFFSET
#undef HF_ASSERT_SIZE

#endif
