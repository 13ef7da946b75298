/* SPDX-License-Identifier: BSD-2-Clause */
/* The hyperflush ABI as the checks use it (docs/abi.md). */
#ifndef GUEST_CONFORM_ABI_HYPERFLUSH_H
#define GUEST_CONFORM_ABI_HYPERFLUSH_H

#include "shared/hyperflush_abi.h"

#include "guest/conform/abi/sets.h"
#include "guest/cpu/msr.h"
#include "guest/mm/page.h"

extern const char hypercall_code_hyperflush[];

/* A flush or fence, from what is usual and what is not. */
struct hf_row {
	u64 nr;		  /* 0: flush */
	u8 set;		  /* enum target_set, as banks if `kind` is HF_SET_BANKS */
	u8 place, split;  /* enum place */
	u16 kind, ranges; /* that many copies of `range` */
	u16 claim;	  /* range_count besides those that follow */
	u32 flags;
	s32 longer;	 /* bytes */
	u64 extra_banks; /* bank_mask bits besides the set's, of banks with `extra` */
	u64 extra, reserved0, reserved1;
	struct hf_range range;
	u32 cover;  /* slots; 0: all */
	u32 length; /* ring: what the entry says, if not 0 */
	s64 result;
};

#define HF_ROW_BYTES (2 * HF_MAX_REQUEST_BYTES) /* of the longest request that a row describes */

/* Base of the leaves, and the one with that number; 0 and nonsense if there are none. */
u32 hf_base(void);
struct cpuid hf_leaf(u32 n);

/* NULL, or why there is nothing to check: no leaves, or without that feature. */
const char *hf_lacking(void);
const char *hf_lacks(u32 feature, const char *why);

/* The hypercall page is registered. */
void hf_enable(void);

/* The request that a row describes, and the attempt but for its call. False: *f is a skip. */
bool hf_request(const struct hf_row *row, u8 bytes[HF_ROW_BYTES], size_t *len, struct attempt *a,
		struct finding *f);

/* The same with its call. */
bool hf_attempt(struct conform *c, const struct hf_row *row, struct attempt *a, struct finding *f);

/* A flush of `count` CPUs of the first bank, in 40 bytes. */
struct hf_small {
	struct hf_flush head;
	u64 bank;
};

static inline struct hf_small hf_small(u64 bank)
{
	return (struct hf_small){ .head = { .set_kind = HF_SET_BANKS, .bank_mask = 1 },
				  .bank = bank };
}

/* One that waits for what the host must do: false, when the host has had a second. */
bool hf_patient(u64 *since);

/* Writes and reads this vCPU's MSR back. */
bool hf_msr_keeps(u32 msr, u64 value);

#define HF_ROW(name, fn, ...)                    \
	{                                        \
		name, fn, &(const struct hf_row) \
		{                                \
			__VA_ARGS__              \
		}                                \
	}
#define HF_PLAIN(name, fn)     \
	{                      \
		name, fn, NULL \
	}
#define HF_VALUE(name, fn, v)          \
	{                              \
		name, fn, &(const u64) \
		{                      \
			v              \
		}                      \
	}
#define HF_PAGE_OF_SLOT_0 (ARENA_BASE + PROBE_SLOT_0 * PAGE_SIZE)
#define HF_RANGES(n, at, pages, shift, ...) \
	.ranges = (n),                      \
	.range = { .start = (at), .count = (pages), .page_shift = (shift), __VA_ARGS__ }
#define HF_ANY			 .root = HF_ROOT_ANY
#define HF_RANGE(at, pages, ...) HF_RANGES(1, at, pages, HF_PAGE_4K, __VA_ARGS__)
#define HF_SLOT_0		 HF_RANGE(HF_PAGE_OF_SLOT_0, 1, HF_ANY)

/* What a flush request may be refused for; X(name, error, row): calls and the ring share them. */
#define HF_BAD_REQUESTS(X)                                                                  \
	X("shorter-by-1", HF_ESIZE, .longer = -1)                                           \
	X("longer-by-1", HF_ESIZE, .longer = 1)                                             \
	X("header-cut", HF_ESIZE, .longer = -16)                                            \
	X("range-missing", HF_ESIZE, .claim = 1)                                            \
	X("unknown-flag", HF_EFLAGS, .flags = 1u << 1)                                      \
	X("unknown-high-flag", HF_EFLAGS, .flags = 1u << 31)                                \
	X("reserved-0", HF_EFLAGS, .reserved0 = 1)                                          \
	X("reserved-1", HF_EFLAGS, .reserved1 = 1ull << 63)                                 \
	X("scope-3", HF_EFLAGS, HF_RANGE(HF_PAGE_OF_SLOT_0, 1, HF_ANY, .scope = 3))         \
	X("range-reserved", HF_EFLAGS,                                                      \
	  HF_RANGE(HF_PAGE_OF_SLOT_0, 1, HF_ANY, .reserved = { 0, 0, 0, 0, 0, 1 }))         \
	X("set-kind-3", HF_ESET, .kind = 3)                                                 \
	X("all-with-bank", HF_ESET, .kind = HF_SET_ALL, .extra_banks = 1, .extra = 2)       \
	X("all-but-self-with-bank", HF_ESET, .kind = HF_SET_ALL_BUT_SELF, .extra_banks = 1) \
	X("absent-vcpu", HF_ESET, .extra_banks = 1ull << 1, .extra = 1ull << 63)            \
	X("absent-bank", HF_ESET, .extra_banks = 1ull << 63, .extra = 1)                    \
	X("page-size-13", HF_ERANGE, HF_RANGES(1, HF_PAGE_OF_SLOT_0, 1, 13, HF_ANY))        \
	X("page-size-0", HF_ERANGE, HF_RANGES(1, HF_PAGE_OF_SLOT_0, 1, 0, HF_ANY))          \
	X("count-0", HF_ERANGE, HF_RANGE(HF_PAGE_OF_SLOT_0, 0, HF_ANY))                     \
	X("start-misaligned", HF_ERANGE, HF_RANGE(HF_PAGE_OF_SLOT_0 + 8, 1, HF_ANY))        \
	X("start-misaligned-2-mib", HF_ERANGE,                                              \
	  HF_RANGES(1, HF_PAGE_OF_SLOT_0, 1, HF_PAGE_2M, HF_ANY))                           \
	X("start-not-canonical", HF_ERANGE, HF_RANGE(1ull << 47, 1, HF_ANY))                \
	X("crosses-hole", HF_ERANGE, HF_RANGE(USER_END - PAGE_SIZE, 2, HF_ANY))             \
	X("bytes-overflow", HF_ERANGE, HF_RANGE(HF_PAGE_OF_SLOT_0, 1ull << 52, HF_ANY))     \
	X("end-wraps", HF_ERANGE, HF_RANGE(0xfffffffffffff000, 2, HF_ANY))                  \
	X("all-with-start", HF_ERANGE, HF_RANGE(HF_PAGE_OF_SLOT_0, HF_COUNT_ALL, HF_ANY))   \
	X("root-misaligned", HF_ERANGE, HF_RANGE(HF_PAGE_OF_SLOT_0, 1, .root = 0x1008))     \
	X("root-too-high", HF_ERANGE, HF_RANGE(HF_PAGE_OF_SLOT_0, 1, .root = 1ull << 52))

#endif
