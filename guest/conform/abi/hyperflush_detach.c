/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Table `hyperflush`: the lazy word, who is moved by `detach`, and what it must refuse. M-DETACH-3,
 * M-DETACH-8, M-DETACH-9.
 */
#include "guest/conform/abi/lazy.h"
#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/timer.h"
#include "guest/cpu/tlb.h"
#include "guest/cpu/trap.h"
#include "guest/flush/backend.h"
#include "guest/lib/string.h"
#include "guest/mm/pgtable.h"
#include "guest/sched/thread.h"

/* The request, with banks 0 and 1 if they are needed; its length. */
static size_t build_move(const struct move_row *row, const struct detach_1 *usual, u64 *out,
			 u64 *mask, u64 moved[HF_MAX_BANKS])
{
	u64 asked[HF_MAX_BANKS] = { row->self ? lazy_bit_of(0) : 0 };
	struct hf_detach head = usual->head;
	u64 *bank = out + sizeof(head) / sizeof(*out);

	*mask = row->empty_banks | (row->self ? 1 : 0);
	for (u32 i = 0; i < ARRAY_SIZE(row->who) && row->who[i].cpu; i++) {
		const struct who *w = &row->who[i];
		u32 b = cpu_by_id(w->cpu)->apic_id / HF_BANK_BITS;

		asked[b] |= lazy_bit_of(w->cpu);
		moved[b] |= w->moves ? lazy_bit_of(w->cpu) : 0;
		*mask |= 1ull << b;
	}
	head.bank_mask = *mask;
	memcpy(out, &head, sizeof(head));
	for (u64 m = *mask; m; m &= m - 1)
		*bank++ = asked[__builtin_ctzll(m)];
	return (size_t)(bank - out) * sizeof(*out);
}

/* The banks say who was moved, and no other byte has changed. */
static bool banks_tell(struct conform *c, const u64 *request, size_t len, u64 mask,
		       const u64 *moved, struct finding *f)
{
	u64 expected[128], *bank = expected + sizeof(struct hf_detach) / sizeof(u64);
	u64 behind;

	memcpy(expected, request, len);
	for (u64 m = mask; m; m &= m - 1)
		*bank++ = moved[__builtin_ctzll(m)];
	memcpy(&behind, c->request + len, sizeof(behind));
	if (behind != 0xa5a5a5a5a5a5a5a5)
		finding_fail(f, "what is behind the request has changed");
	else if (memcmp(expected, c->request, len))
		finding_fail(
			f, "bank %#llx, not %#llx, or the header has changed",
			(unsigned long long)*(u64 *)(void *)(c->request + sizeof(struct hf_detach)),
			(unsigned long long)expected[sizeof(struct hf_detach) / sizeof(u64)]);
	else
		return true;
	return false;
}

/* The call; words are looked at at once, before a target has done anything. */
static u64 call_move(struct conform *c, const u64 *request, size_t len, u64 early[GUEST_MAX_CPUS],
		     bool self)
{
	u64 gpa = request_place(c, PLACE_PAGE, request, len, 0, NULL), result;
	struct laziness lazy = { probe_root(c->probes, 1), probe_root(c->probes, 1) | HF_LAZY };

	preempt_disable();
	if (self)
		lazy_set(&lazy);
	result = hypercall_hyperflush(HF_CALL_DETACH, gpa, len);
	for (u32 i = 0; i < cpu_count(); i++)
		early[i] = lazy_word(i);
	if (self) {
		early[0] = early[0] == lazy.word && probe_whose_root(NULL) == 1;
		lazy_set(&(struct laziness){ pt_kernel_root(), LAZY_NO_WORD });
	}
	preempt_enable();
	return result;
}

static void moves(struct conform *c, const void *arg, struct finding *f)
{
	static u64 early[GUEST_MAX_CPUS], request[128];
	const struct move_row *row = arg;
	u64 mask, moved[HF_MAX_BANKS] = { 0 };
	struct cpumask cpus = { 0 };
	struct detach_1 usual;

	if (!lazy_set_up(c, row, &cpus, f))
		return;
	usual = detach_1(probe_root(c->probes, 1), probe_root(c->probes, LAZY_OTHER),
			 HF_DETACH_MAX_US);
	size_t len = build_move(row, &usual, request, &mask, moved);

	probes_arm(c->probes);
	u64 result = call_move(c, request, len, early, row->self);
	bool good = !result && (!row->self || early[0]);

	probes_look(c->probes, PROBE_ALL, NULL);
	if (!good)
		finding_fail(f, "%#llx, or the caller was moved", (unsigned long long)result);
	else
		good = banks_tell(c, request, len, mask, moved, f);
	for (u32 i = 0; i < ARRAY_SIZE(row->who) && row->who[i].cpu && good; i++) {
		const struct who *w = &row->who[i];

		if (w->moves && early[w->cpu] != (usual.head.to | HF_MOVED)) {
			finding_fail(f, "CPU %u: not moved yet when the call returned", w->cpu);
			good = false;
		} else {
			good = lazy_is_right(c, w, f);
		}
	}
	if (good)
		finding_pass(f, "words, roots and banks are right");
	lazy_end(c, &cpus);
}

enum to { TO_OTHER, TO_SAME, TO_BEYOND };

/* A request that is refused. */
struct detach_row {
	u8 place, split, to; /* enum place; enum to */
	u16 kind, reserved0;
	u32 flags, reserved1, deadline_us;
	u64 reserved2, from_bits, to_bits; /* inverted */
	u64 absent;			   /* a second bank */
	s32 longer;
	s64 result;
};

static struct detach_1 bad_request(struct conform *c, const struct detach_row *row)
{
	paddr_t from = probe_root(c->probes, 1);
	paddr_t to = row->to == TO_SAME	    ? from
		     : row->to == TO_BEYOND ? c->edge.beyond
					    : probe_root(c->probes, LAZY_OTHER);
	struct detach_1 r = detach_1(from ^ row->from_bits, to ^ row->to_bits, row->deadline_us);

	r.bank = lazy_bit_of(1);
	r.head.flags = row->flags;
	r.head.set_kind = row->kind;
	r.head.reserved0 = row->reserved0;
	r.head.reserved1 = row->reserved1;
	r.head.reserved2 = row->reserved2;
	if (row->absent)
		r.head.bank_mask |= 1ull << (HF_MAX_BANKS - 1);
	return r;
}

static void refuses(struct conform *c, const void *arg, struct finding *f)
{
	static const struct move_row one = { .who = { { .cpu = 1, .state = HF_LAZY } } };
	const struct detach_row *row = arg;
	struct attempt a = { .cover = PROBE_ALL,
			     .result = (u64)row->result,
			     .result_mask = UINT64_MAX };
	struct {
		struct detach_1 r;
		u64 absent;
	} bytes;
	size_t len = row->absent ? sizeof(bytes) : sizeof(bytes.r);
	struct cpumask cpus = { 0 };

	if (!lazy_set_up(c, &one, &cpus, f))
		return;
	bytes.r = bad_request(c, row);
	bytes.absent = row->absent;
	len += (size_t)(s64)row->longer;
	u64 gpa = request_place(c, (enum place)row->place, &bytes, MIN(len, sizeof(bytes)),
				row->split, f);

	a.probes = cpus;
	a.call = (struct raw_call){
		.target = hypercall_code_hyperflush, .rax = HF_CALL_DETACH, .rdi = gpa, .rsi = len
	};
	if (gpa)
		attempt_refused(c, &a, f);
	if (f->outcome == OUTCOME_PASSED)
		lazy_is_right(c, &one.who[0], f);
	lazy_end(c, &cpus);
}

/* M-WORD-1 */
static void word_reads_back(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	finding_is(
		f,
		hf_msr_keeps(HF_MSR_LAZY_WORD, virt_to_phys(lazy_word_here()) | 1) &&
			hf_msr_keeps(HF_MSR_LAZY_WORD, (virt_to_phys(lazy_word_here()) + 8) | 1) &&
			hf_msr_keeps(HF_MSR_LAZY_WORD, 0),
		"two words, and none");
}

static void word_bad(struct conform *c, const void *row, struct finding *f)
{
	const u64 *bits = row;
	u64 good = virt_to_phys(lazy_word_here()) | 1;

	wrmsr(HF_MSR_LAZY_WORD, good);
	msr_write_faults(HF_MSR_LAZY_WORD,
			 *bits ? (virt_to_phys(lazy_word_here()) + 64) | *bits : c->edge.beyond | 1,
			 f);
	if (rdmsr(HF_MSR_LAZY_WORD) != good)
		finding_fail(f, "a refused write has changed the MSR");
	wrmsr(HF_MSR_LAZY_WORD, 0);
}

/* M-WORD-2 */
static void word_each_its_own(struct conform *c, const void *row, struct finding *f)
{
	static const struct move_row two = { .who = { { .cpu = 1 }, { .cpu = 2 } } };
	struct cpumask cpus = { 0 };

	(void)row;
	if (!lazy_set_up(c, &two, &cpus, f))
		return;
	struct laziness active = { probe_root(c->probes, 1), probe_root(c->probes, 1) | HF_ACTIVE };
	u64 one = probe_run(c->probes, 1, lazy_set, &active);
	u64 other = probe_run(c->probes, 2, lazy_set, &active);

	finding_is(f, one & 1 && other & 1 && one != other && !rdmsr(HF_MSR_LAZY_WORD),
		   "%#llx, %#llx, and none here", (unsigned long long)one,
		   (unsigned long long)other);
	lazy_end(c, &cpus);
}

#define LAZY(n)                                             \
	{                                                   \
		.cpu = (n), .state = HF_LAZY, .moves = true \
	}
#define ACTIVE(n)                              \
	{                                      \
		.cpu = (n), .state = HF_ACTIVE \
	}
#define MOVE(name, ...)                                         \
	{                                                       \
		"detach." name, moves, &(const struct move_row) \
		{                                               \
			__VA_ARGS__                             \
		}                                               \
	}
#define REFUSED(name, e, ...)                                               \
	{                                                                   \
		"detach.refused." name, refuses, &(const struct detach_row) \
		{                                                           \
			.result = e, __VA_ARGS__                            \
		}                                                           \
	}

static const struct check checks[] = {
	HF_PLAIN("detach.word-reads-back", word_reads_back),
	HF_VALUE("detach.word-misaligned", word_bad, 5),
	HF_VALUE("detach.word-not-enabled", word_bad, 8),
	HF_VALUE("detach.word-beyond-ram", word_bad, 0),
	HF_PLAIN("detach.word-each-its-own", word_each_its_own),
	MOVE("one", .who = { LAZY(1) }),
	MOVE("two", .who = { LAZY(1), LAZY(2) }),
	MOVE("64", .who = { LAZY(64) }),
	MOVE("of-each-bank", .who = { LAZY(1), LAZY(64), LAZY(65) }),
	MOVE("gap-of-banks", .who = { LAZY(1), LAZY(64) }, .empty_banks = 1ull << 9),
	MOVE("nobody", .empty_banks = 1),
	MOVE("active-stays", .who = { ACTIVE(1) }),
	MOVE("moved-stays", .who = { { .cpu = 1, .state = HF_MOVED } }),
	MOVE("on-another-root-stays", .who = { { .cpu = 1, .state = HF_LAZY, .elsewhere = true } }),
	MOVE("without-word-stays", .who = { { .cpu = 1, .no_word = true } }),
	MOVE("lazy-among-active", .who = { ACTIVE(1), LAZY(2), ACTIVE(64) }),
	MOVE("caller-stays", .who = { LAZY(1) }, .self = true),
	REFUSED("flags", HF_EFLAGS, .flags = 1),
	REFUSED("reserved-0", HF_EFLAGS, .reserved0 = 1),
	REFUSED("reserved-1", HF_EFLAGS, .reserved1 = 1u << 31),
	REFUSED("reserved-2", HF_EFLAGS, .reserved2 = 1ull << 63),
	REFUSED("set-kind-all", HF_ESET, .kind = HF_SET_ALL),
	REFUSED("set-kind-3", HF_ESET, .kind = 3),
	REFUSED("absent-bank", HF_ESET, .absent = 1),
	REFUSED("from-misaligned", HF_EROOT, .from_bits = 8),
	REFUSED("from-too-high", HF_EROOT, .from_bits = 1ull << 52),
	REFUSED("to-misaligned", HF_EROOT, .to_bits = 1),
	REFUSED("to-too-high", HF_EROOT, .to_bits = 1ull << 63),
	REFUSED("to-beyond-ram", HF_EROOT, .to = TO_BEYOND),
	REFUSED("same-root", HF_EROOT, .to = TO_SAME),
	REFUSED("deadline", HF_ETIME, .deadline_us = HF_DETACH_MAX_US + 1),
	REFUSED("longest-deadline", HF_ETIME, .deadline_us = UINT32_MAX),
	REFUSED("shorter-by-1", HF_ESIZE, .longer = -1),
	REFUSED("longer-by-1", HF_ESIZE, .longer = 1),
	REFUSED("header-cut", HF_ESIZE, .longer = -16),
	REFUSED("beyond-ram", HF_EFAULT, .place = PLACE_BEYOND),
	REFUSED("banks-straddle-end", HF_EFAULT, .place = PLACE_STRADDLING, .split = 48),
	REFUSED("wraps", HF_EFAULT, .place = PLACE_WRAPPING),
};

const struct check_table conform_hyperflush_detach = {
	.abi = "hyperflush",
	.lacking = lazy_lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
