/* SPDX-License-Identifier: BSD-2-Clause */
/* Table `hyperv`: what must be refused, and must have flushed and written nothing then. */
#include "guest/conform/abi/hyperv.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"

extern const char hypercall_code_hyperv[];

#define CONTROL_FAST	 (1ull << 16)
#define CONTROL_VAR(n)	 ((u64)(n) << HV_CONTROL_VAR_SHIFT)
#define CONTROL_REPS(n)	 ((u64)(n) << HV_CONTROL_REP_SHIFT)
#define CONTROL_START(n) ((u64)(n) << 48)
#define UNKNOWN_FLAGS	 (1ull << 4 | 1ull << 40)

/* A call that CPUID does not offer: any other one, or fast input. */
struct unoffered {
	u32 code;
	char reg; /* a: leaf 4 EAX, b: leaf 3 EBX; d: leaf 3 EDX */
	u8 bit;
};

static bool is_offered(const struct unoffered *u)
{
	struct cpuid features = cpuid(HV_CPUID_FEATURES, 0), hint = cpuid(HV_CPUID_ENLIGHT, 0);
	u32 reg = u->reg == 'a' ? hint.eax : u->reg == 'b' ? features.ebx : features.edx;

	return reg >> u->bit & 1;
}

static void call_not_offered(struct conform *c, const void *row, struct finding *f)
{
	const struct unoffered *u = row;
	struct attempt a = { .call = { .target = hypercall_code_hyperv, .rcx = u->code },
			     .cover = PROBE_ALL,
			     .result = HV_ACCESS_DENIED,
			     .result_mask = HV_STATUS_MASK };

	if (is_offered(u)) {
		finding_skip(f, "it is offered");
		return;
	}
	if (launcher_says("loose")) {
		a.known_result = HV_INVALID_INPUT; /* the request is empty */
		a.known = LOOSE_KNOWN;
	}
	hv_enable(c);
	cpumask_set(&a.probes, 1);
	a.call.rdx = request_place(c, PLACE_PAGE, "", 1, 0, f);
	attempt_refused(c, &a, f);
}

static void no_such_code(struct conform *c, const void *row, struct finding *f)
{
	const struct hv_row *r = row;
	struct attempt a;

	if (!hv_attempt(c, row, &a, f))
		return;
	a.cover = PROBE_ALL;
	a.call.rcx = r->code;
	attempt_refused(c, &a, f);
}

/* `fast` says that the call is; whether XMM input is offered decides what must come of it. */
static void fast_not_offered(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (is_offered(&(struct unoffered){ .reg = 'd', .bit = 4 })) {
		finding_skip(f, "it is offered");
		return;
	}
	if (!hv_attempt(c, row, &a, f))
		return;
	a.call.rcx |= CONTROL_FAST;
	attempt_faults(c, &a, TRAP_UD, f);
}

static void ex_not_offered(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	call_not_offered(c, &(const struct unoffered){ HV_CALL_FLUSH_SPACE_EX, 'a', 11 }, f);
}

static void from_user(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (hv_attempt(c, row, &a, f))
		attempt_from_user(c, &a, RAW_USER_BARE, TRAP_UD, f);
}

/* In a mask of 64 there is a VP that is not there only if there are fewer. */
static void absent_in_mask(struct conform *c, const void *row, struct finding *f)
{
	if (cpu_count() >= 64)
		finding_skip(f, "all 64 VPs of the mask are there");
	else
		hv_refuses(c, row, f);
}

#define ROW(name, fn, ...)                                  \
	{                                                   \
		"refused." name, fn, &(const struct hv_row) \
		{                                           \
			__VA_ARGS__                         \
		}                                           \
	}
#define REFUSED(name, ...) ROW(name, hv_refuses, .set = SET_ONE, __VA_ARGS__)
#define UNOFFERED(name, code, reg, bit)                                        \
	{                                                                      \
		"unoffered." name, call_not_offered, &(const struct unoffered) \
		{                                                              \
			code, reg, bit                                         \
		}                                                              \
	}
#define SPACE	      .code = HV_CALL_FLUSH_SPACE
#define LIST	      .code = HV_CALL_FLUSH_LIST, .list = HV_LIST_PAGE
#define SPACE_EX      .code = HV_CALL_FLUSH_SPACE_EX
#define LIST_EX	      .code = HV_CALL_FLUSH_LIST_EX, .list = HV_LIST_PAGE
#define BAD	      .status = HV_INVALID_INPUT
#define RESERVED(bit) REFUSED("reserved-bit-" #bit, SPACE, BAD, .control = 1ull << (bit))
#define OLD_LIST      "KVM before 6.2 never reads the list"
#define NO_CHECK      "kvm_hv_flush_tlb() does not look"

static const struct check checks[] = {
	RESERVED(27),
	RESERVED(28),
	RESERVED(29),
	RESERVED(30),
	RESERVED(31),
	RESERVED(44),
	RESERVED(45),
	RESERVED(46),
	RESERVED(47),
	RESERVED(60),
	RESERVED(61),
	RESERVED(62),
	RESERVED(63),
	REFUSED("space.variable-header", SPACE, BAD, .control = CONTROL_VAR(1)),
	REFUSED("space.repetitions", SPACE, BAD, .control = CONTROL_REPS(1)),
	REFUSED("space.start-index", SPACE, BAD, .control = CONTROL_START(1)),
	REFUSED("list.variable-header", LIST, BAD, .control = CONTROL_VAR(1)),
	REFUSED("list.no-repetitions", LIST, BAD, .control = CONTROL_REPS(1)),
	REFUSED("list.start-index", LIST, BAD, .control = CONTROL_START(1)),
	REFUSED("space-ex.repetitions", SPACE_EX, BAD, .control = CONTROL_REPS(1)),
	REFUSED("space-ex.start-index", SPACE_EX, BAD, .control = CONTROL_START(1)),
	REFUSED("list-ex.no-repetitions", LIST_EX, BAD, .control = CONTROL_REPS(1)),
	REFUSED("list-ex.start-index", LIST_EX, BAD, .control = CONTROL_START(1)),
	REFUSED("space-ex.bank-missing", SPACE_EX, BAD, .control = CONTROL_VAR(1)),
	REFUSED("space-ex.bank-too-many", SPACE_EX, BAD, .control = CONTROL_VAR(3)),
	REFUSED("space-ex.all-with-bank-missing", SPACE_EX, BAD, .control = CONTROL_VAR(1),
		.format = HV_GENERIC_SET_ALL),
	REFUSED("list-ex.bank-missing", LIST_EX, BAD, .control = CONTROL_VAR(1)),
	REFUSED("list-ex.bank-too-many", LIST_EX, BAD, .control = CONTROL_VAR(3)),
	REFUSED("space.input-beyond-ram", SPACE, BAD, .place = PLACE_BEYOND),
	REFUSED("list.input-beyond-ram", LIST, BAD, .place = PLACE_BEYOND),
	REFUSED("space-ex.input-beyond-ram", SPACE_EX, BAD, .place = PLACE_BEYOND),
	REFUSED("list-ex.input-beyond-ram", LIST_EX, BAD, .place = PLACE_BEYOND),
	REFUSED("space.input-straddles-end", SPACE, BAD, .place = PLACE_STRADDLING, .split = 16),
	REFUSED("space-ex.input-straddles-end", SPACE_EX, BAD, .place = PLACE_STRADDLING,
		.split = 16),
	REFUSED("space-ex.banks-straddle-end", SPACE_EX, BAD, .place = PLACE_STRADDLING,
		.split = 32),
	REFUSED("list.list-straddles-end", LIST, BAD, .place = PLACE_STRADDLING, .split = 24,
		.known = HV_SUCCESS, .ref = OLD_LIST),
	REFUSED("list-ex.list-straddles-end", LIST_EX, BAD, .place = PLACE_STRADDLING, .split = 40,
		.known = HV_SUCCESS, .ref = OLD_LIST),
	REFUSED("list.16-entries-straddle-end", .code = HV_CALL_FLUSH_LIST, .list = HV_LIST_LAST,
		.reps = 16, BAD, .place = PLACE_STRADDLING, .split = 24, .known = HV_SUCCESS,
		.ref = "KVM flushes everything for 16 entries, and does not read them"),
	REFUSED("space.input-wraps", SPACE, BAD, .place = PLACE_WRAPPING),
	REFUSED("space.input-misaligned", SPACE, .status = HV_INVALID_ALIGNMENT,
		.place = PLACE_MISALIGNED, .known = HV_SUCCESS, .ref = NO_CHECK),
	REFUSED("space.input-crosses-page", SPACE, .status = HV_INVALID_ALIGNMENT,
		.place = PLACE_CROSSING, .known = HV_SUCCESS, .ref = NO_CHECK),
	REFUSED("space.unknown-flags", SPACE, .status = HV_INVALID_PARAMETER,
		.flags = UNKNOWN_FLAGS, .known = HV_SUCCESS, .ref = NO_CHECK),
	REFUSED("space-ex.unknown-flags", SPACE_EX, .status = HV_INVALID_PARAMETER,
		.flags = UNKNOWN_FLAGS, .known = HV_SUCCESS, .ref = NO_CHECK),
	REFUSED("space-ex.unknown-format", SPACE_EX, .status = HV_INVALID_PARAMETER, .format = 2,
		.known = HV_SUCCESS, .ref = "KVM takes every other format for ALL"),
	ROW("space.no-such-vp", absent_in_mask, SPACE, .set = SET_ONE,
	    .status = HV_INVALID_VP_INDEX, .mask_or = 1ull << 63, .known = HV_SUCCESS,
	    .ref = NO_CHECK),
	REFUSED("space-ex.no-such-vp", SPACE_EX, .status = HV_INVALID_VP_INDEX,
		.absent_vp = 1ull << 63, .known = HV_SUCCESS, .ref = NO_CHECK),
	REFUSED("fast.banks-do-not-fit", SPACE_EX, BAD, .fast = true, .empty_banks = 0xffff00),
	REFUSED("fast.12-entries-do-not-fit", .code = HV_CALL_FLUSH_LIST, BAD, .fast = true,
		.list = HV_LIST_LAST, .reps = 12, .known = HV_SUCCESS, .ref = OLD_LIST),
	REFUSED("fast.15-entries-do-not-fit", .code = HV_CALL_FLUSH_LIST, BAD, .fast = true,
		.list = HV_LIST_LAST, .reps = 15, .known = HV_SUCCESS, .ref = OLD_LIST),
	REFUSED("fast.16-entries-do-not-fit", .code = HV_CALL_FLUSH_LIST, BAD, .fast = true,
		.list = HV_LIST_LAST, .reps = 16, .known = HV_SUCCESS,
		.ref = "KVM flushes everything for 16 entries, and does not read them"),
	REFUSED("fast.list-ex-does-not-fit", .code = HV_CALL_FLUSH_LIST_EX, BAD, .fast = true,
		.list = HV_LIST_LAST, .reps = 10, .known = HV_SUCCESS, .ref = OLD_LIST),
	ROW("code-0", no_such_code, .code = 0, .set = SET_ONE, .status = HV_INVALID_CODE),
	ROW("code-0x7fff", no_such_code, .code = 0x7fff, .set = SET_ONE, .status = HV_INVALID_CODE),
	ROW("code-0xffff", no_such_code, .code = 0xffff, .set = SET_ONE, .status = HV_INVALID_CODE),
	ROW("space.from-ring-3", from_user, SPACE, .set = SET_ONE),
	ROW("list-ex.from-ring-3", from_user, LIST_EX, .set = SET_ONE),
	UNOFFERED("send-ipi", 0x0b, 'a', 10),
	UNOFFERED("send-ipi-ex", 0x15, 'a', 10),
	UNOFFERED("post-message", 0x5c, 'b', 4),
	UNOFFERED("signal-event", 0x5d, 'b', 5),
	{ "unoffered.space-ex", ex_not_offered, NULL },
	{ "unoffered.fast", fast_not_offered, &(const struct hv_row){ SPACE, .set = SET_ONE } },
};

const struct check_table conform_hyperv_refused = {
	.abi = "hyperv",
	.lacking = hv_lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
