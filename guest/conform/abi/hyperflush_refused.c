/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Table `hyperflush`: calls that must be refused, and must have flushed and written nothing then.
 * M-CALL-2, M-CALL-3, M-CALL-4, M-CALL-5, M-CALL-6, M-FLUSH-5, M-FLUSH-8, M-FLUSH-9, M-FENCE-2.
 */
#include "guest/conform/abi/hyperflush.h"
#include "guest/conform/abi/race.h"
#include "guest/cpu/trap.h"

#define OUT_IMM8 0xe7 /* first byte of the code page: OUT to an immediate port */

static void refuses(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!hf_attempt(c, row, &a, f))
		return;
	if (cpumask_empty(&a.probes))
		cpumask_set(&a.probes, 1);
	a.cover = PROBE_ALL;
	attempt_refused(c, &a, f);
}

static void from_user(struct conform *c, const void *row, struct finding *f)
{
	const u8 *code = (const u8 *)hypercall_code_hyperflush;
	struct attempt a;

	if (!hf_attempt(c, row, &a, f))
		return;
	if (code[0] != OUT_IMM8) {
		finding_skip(f, "the call is no OUT here");
		return;
	}
	a.call.target = (const void *)(u64)code[1];
	attempt_from_user(c, &a, RAW_USER_OUT, TRAP_GP, f);
}

static u64 *request_word(void *arg)
{
	struct conform *c = arg;

	return (u64 *)(void *)c->request;
}

/* M-CALL-7: another CPU makes the request good and bad in turn; the result says which was read. */
static void read_once(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (hf_attempt(c, row, &a, f))
		race_check(c, &a, request_word, c, f);
}

#define REFUSED(name, e, ...) \
	HF_ROW("refused." name, refuses, .set = SET_ONE, .result = e, __VA_ARGS__)
#define REFUSED_ROW(...) REFUSED(__VA_ARGS__),

static const struct check checks[] = {
	REFUSED("call-beyond-all", HF_ENOSYS, .nr = UINT64_MAX),
	REFUSED("call-100", HF_ENOSYS, .nr = 100),
	REFUSED("call-high-half", HF_ENOSYS, .nr = 1ull << 32 | HF_CALL_FLUSH),
	HF_ROW("refused.length-0", refuses, .result = HF_ESIZE, .longer = -32),
	REFUSED("longer-than-limit", HF_ESIZE, .longer = HF_MAX_REQUEST_BYTES),
	REFUSED("65-ranges", HF_ESIZE,
		HF_RANGES(HF_MAX_RANGES + 1, HF_PAGE_OF_SLOT_0, 1, HF_PAGE_4K, HF_ANY)),
	REFUSED("beyond-ram", HF_EFAULT, .place = PLACE_BEYOND),
	REFUSED("straddles-end", HF_EFAULT, .place = PLACE_STRADDLING, .split = 16),
	REFUSED("banks-straddle-end", HF_EFAULT, .place = PLACE_STRADDLING, .split = 32),
	REFUSED("ranges-straddle-end", HF_EFAULT, .place = PLACE_STRADDLING, .split = 48,
		HF_SLOT_0),
	REFUSED("wraps", HF_EFAULT, .place = PLACE_WRAPPING),
	REFUSED("fence-flags", HF_EFLAGS, .nr = HF_CALL_FENCE, .flags = HF_FLUSH_STRONG),
	REFUSED("fence-ranges", HF_EFLAGS, .nr = HF_CALL_FENCE, HF_SLOT_0),
	REFUSED("fence-absent-vcpu", HF_ESET, .nr = HF_CALL_FENCE, .extra_banks = 1ull << 63,
		.extra = 1),
	HF_ROW("refused.from-ring-3", from_user, .set = SET_ONE),
	HF_ROW("request.read-once", read_once, .set = SET_ONE),
	HF_BAD_REQUESTS(REFUSED_ROW)
};

const struct check_table conform_hyperflush_refused = {
	.abi = "hyperflush",
	.lacking = hf_lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
