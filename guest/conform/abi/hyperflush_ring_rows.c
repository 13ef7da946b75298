/* SPDX-License-Identifier: BSD-2-Clause */
/* Table `hyperflush`: entries of a ring that are served, and that are refused. M-RING-4, M-RING-5.
 */
#include "guest/conform/abi/poster.h"

static const char *lacking(void)
{
	return hf_lacks(HF_FEATURE_RING, "no ring");
}

static bool post_attempt(const struct hf_row *row, struct attempt *a, struct finding *f)
{
	static u8 bytes[HF_ROW_BYTES];
	static struct poster p;
	size_t len;

	if (!hf_request(row, bytes, &len, a, f))
		return false;
	if (!p.ring)
		poster_init(&p);
	p.bytes = bytes;
	p.len = len;
	p.length = row->length ? row->length : (u32)len;
	a->make = poster_make;
	a->arg = &p;
	if (poster_register(&p, p.tail))
		return true;
	finding_fail(f, "a ring cannot be registered");
	return false;
}

static void serves(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (post_attempt(row, &a, f))
		attempt_serves(c, &a, f);
	wrmsr(HF_MSR_RING, 0);
}

static void refuses(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (post_attempt(row, &a, f)) {
		a.cover = PROBE_ALL;
		request_place(c, PLACE_PAGE, "", 1, 0, f);
		attempt_refused(c, &a, f);
	}
	wrmsr(HF_MSR_RING, 0);
}

#define SERVED(name, ...) HF_ROW("ring.flush." name, serves, __VA_ARGS__)
#define REFUSED(name, e, ...) \
	HF_ROW("ring.refused." name, refuses, .set = SET_ONE, .result = e, __VA_ARGS__)
#define REFUSED_ROW(...) REFUSED(__VA_ARGS__),

static const struct check checks[] = {
	SERVED("one", .set = SET_ONE),
	SERVED("two", .set = SET_TWO),
	SERVED("self", .set = SET_SELF),
	SERVED("self-and-one", .set = SET_SELF_AND_ONE),
	SERVED("nobody", .set = SET_NONE),
	SERVED("64", .set = SET_64),
	SERVED("63-64-65", .set = SET_63_64_65),
	SERVED("gap-of-banks", .set = SET_1_64, .extra_banks = 1ull << 9 | 1ull << 63),
	SERVED("eleven-banks", .set = SET_1_64, .extra_banks = 0x7fc),
	SERVED("others-by-banks", .set = SET_OTHERS),
	SERVED("all", .kind = HF_SET_ALL, .set = SET_ALL),
	SERVED("all-but-self", .kind = HF_SET_ALL_BUT_SELF, .set = SET_OTHERS),
	SERVED("page", .set = SET_ONE, .cover = 1, HF_SLOT_0),
	SERVED("pages", .set = SET_ONE, HF_RANGE(HF_PAGE_OF_SLOT_0, 41, HF_ANY)),
	SERVED("seven-banks-and-a-range", .set = SET_1_64, .extra_banks = 0x7c, .cover = 1,
	       HF_SLOT_0),
	SERVED("whole-space", .set = SET_ONE, HF_RANGE(0, HF_COUNT_ALL, HF_ANY)),
	REFUSED("length-0", HF_ESIZE, .longer = -40),
	REFUSED("longer-than-slot", HF_ESIZE, .length = HF_RING_REQUEST_BYTES + 1),
	REFUSED("longest-length", HF_ESIZE, .length = UINT32_MAX),
	REFUSED("strong", HF_EFLAGS, .flags = HF_FLUSH_STRONG),
	HF_BAD_REQUESTS(REFUSED_ROW)
};

const struct check_table conform_hyperflush_ring_rows = {
	.abi = "hyperflush",
	.lacking = lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
