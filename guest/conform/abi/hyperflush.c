/* SPDX-License-Identifier: BSD-2-Clause */
/* Table `hyperflush`: the project's own ABI (shared/hyperflush_abi.h); flush and fence. */
#include "shared/hyperflush_abi.h"

#include "guest/conform/abi/sets.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/flush/backend.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"

#define OUT_IMM8 0xe7 /* first byte of the code page: OUT to an immediate port */

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
	u32 cover; /* slots; 0: all */
	s64 result;
};

static u32 base(void)
{
	return hypervisor_base(HF_SIGNATURE);
}

static const char *lacking(void)
{
	return base() ? NULL : "no hyperflush CPUID leaf";
}

static struct cpuid leaf(u32 n)
{
	return cpuid(base() + n, 0);
}

static void enable(void)
{
	if (!rdmsr(leaf(HF_CPUID_FEATURES).ecx))
		wrmsr(leaf(HF_CPUID_FEATURES).ecx, hypercall_page_hyperflush() | 1);
}

/* Appends the banks of the set; *mask: which they are. */
static size_t put_banks(const struct hf_row *row, const struct cpumask *cpus, u8 *out, u64 *mask)
{
	u64 bank[HF_MAX_BANKS] = { 0 };
	size_t n = 0;

	*mask = row->extra_banks;
	if (row->kind == HF_SET_BANKS) {
		for_each_cpu (cpu, cpus) {
			u32 id = cpu_by_id(cpu)->apic_id;

			bank[id / HF_BANK_BITS] |= 1ull << id % HF_BANK_BITS;
			*mask |= 1ull << id / HF_BANK_BITS;
		}
	}
	for (u32 b = 0; b < HF_MAX_BANKS; b++) {
		if (!(*mask >> b & 1))
			continue;
		if (row->extra_banks >> b & 1)
			bank[b] |= row->extra;
		memcpy(out + n, &bank[b], sizeof(u64));
		n += sizeof(u64);
	}
	return n;
}

static bool build(struct conform *c, const struct hf_row *row, struct attempt *a, struct finding *f)
{
	static u8 bytes[2 * HF_MAX_REQUEST_BYTES];
	struct hf_flush head = { .flags = row->flags,
				 .set_kind = row->kind,
				 .range_count = (u16)(row->ranges + row->claim),
				 .reserved = { row->reserved0, row->reserved1 } };
	size_t len = sizeof(head);
	struct cpumask cpus;

	*a = (struct attempt){ .result = (u64)row->result,
			       .result_mask = UINT64_MAX,
			       .cover = row->cover ? row->cover : PROBE_ALL };
	if (!set_cpus((enum target_set)row->set, &cpus, &a->probes, f))
		return false;
	enable();
	len += put_banks(row, &cpus, bytes + len, &head.bank_mask);
	for (u32 i = 0; i < row->ranges; i++, len += sizeof(row->range))
		memcpy(bytes + len, &row->range, sizeof(row->range));
	memcpy(bytes, &head, sizeof(head));
	len += (size_t)(s64)row->longer;
	u64 gpa = request_place(c, (enum place)row->place, bytes, MIN(len, 2 * PAGE_SIZE - 16),
				row->split, f);
	if (!gpa)
		return false;
	a->call = (struct raw_call){ .target = hypercall_code_hyperflush,
				     .rax = row->nr ? row->nr : HF_CALL_FLUSH,
				     .rdi = gpa,
				     .rsi = len };
	return true;
}

static void serves(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (build(c, row, &a, f))
		attempt_serves(c, &a, f);
}

/* A fence flushes nothing: its result is all that is looked at. */
static void answers(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!build(c, row, &a, f))
		return;
	cpumask_clear_all(&a.probes);
	attempt_serves(c, &a, f);
}

static void refuses(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!build(c, row, &a, f))
		return;
	if (cpumask_empty(&a.probes))
		cpumask_set(&a.probes, 1);
	a.cover = PROBE_ALL;
	attempt_refused(c, &a, f);
}

static void preserves(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!build(c, row, &a, f))
		return;
	a.call.rbx = 0x1111, a.call.rcx = 0x2222, a.call.rdx = 0x3333, a.call.r8 = 0x4444;
	a.call.r9 = 0x5555, a.call.r10 = 0x6666, a.call.r12 = 0x7777, a.call.r13 = 0x8888;
	a.call.r14 = 0x9999, a.call.r15 = 0xaaaa, a.call.rbp = 0xbbbb;
	attempt_preserves(c, &a, 1u, f); /* RAX */
}

static void from_user(struct conform *c, const void *row, struct finding *f)
{
	const u8 *code = (const u8 *)hypercall_code_hyperflush;
	struct attempt a;

	if (!build(c, row, &a, f))
		return;
	if (code[0] != OUT_IMM8) {
		finding_skip(f, "the call is no OUT here");
		return;
	}
	a.call.target = (const void *)(u64)code[1];
	attempt_from_user(c, &a, RAW_USER_OUT, TRAP_GP, f);
}

static void call_needs_page(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!build(c, row, &a, f))
		return;
	/* The code stays in the page; the registration is gone, and the call is no call. */
	wrmsr(leaf(HF_CPUID_FEATURES).ecx, 0);
	a.result = a.call.rax;
	attempt_refused(c, &a, f);
	enable();
}

static void found_at(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	finding_is(f, !(base() & 0xff) && leaf(0).eax == base() + HF_CPUID_MAX,
		   "base %#x, highest leaf %#x", base(), leaf(0).eax);
}

static void version(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	finding_is(f, leaf(HF_CPUID_FEATURES).eax == HF_VERSION, "version %u",
		   leaf(HF_CPUID_FEATURES).eax);
}

static void features(struct conform *c, const void *row, struct finding *f)
{
	u32 ebx = leaf(HF_CPUID_FEATURES).ebx;

	(void)c, (void)row;
	finding_is(f, ebx & HF_FEATURE_FLUSH, "features %#x", ebx);
}

static void lowering(struct conform *c, const void *row, struct finding *f)
{
	u32 ebx = leaf(HF_CPUID_FEATURES).ebx;

	(void)c, (void)row;
	if (!(ebx & HF_FEATURE_LOWER_HYPERV))
		finding_pass(f, "Hyper-V calls are not asked for");
	else
		finding_is(f, cpuid(0x40000001, 0).eax == 0x31237648, "Hyper-V is there as well");
}

static void limits(struct conform *c, const void *row, struct finding *f)
{
	struct cpuid l = leaf(HF_CPUID_LIMITS);

	(void)c, (void)row;
	finding_is(f, l.eax >= cpu_count() && l.ebx && l.ecx >= sizeof(struct hf_flush),
		   "%u vCPUs, %u ranges, %u bytes", l.eax, l.ebx, l.ecx);
}

static void leaves_agree(struct conform *c, const void *row, struct finding *f)
{
	u32 different = 0;

	(void)row;
	for (u32 i = 0; i <= HF_CPUID_MAX; i++)
		different += !leaf_same_everywhere(c, base() + i);
	finding_is(f, !different, "%u leaves differ between CPUs", different);
}

static void page_reads_back(struct conform *c, const void *row, struct finding *f)
{
	u64 back;

	(void)c, (void)row;
	enable();
	back = rdmsr(leaf(HF_CPUID_FEATURES).ecx);
	finding_is(f, back == (hypercall_page_hyperflush() | 1), "%#llx", (unsigned long long)back);
}

static void page_bad(struct conform *c, const void *row, struct finding *f)
{
	const u64 *bits = row;

	enable();
	msr_write_faults(leaf(HF_CPUID_FEATURES).ecx,
			 *bits ? hypercall_page_hyperflush() | *bits : c->ram_end | 1, f);
	if (rdmsr(leaf(HF_CPUID_FEATURES).ecx) != (hypercall_page_hyperflush() | 1))
		finding_fail(f, "a refused write has changed the MSR");
}

static void lazy_word_bad(struct conform *c, const void *row, struct finding *f)
{
	const u64 *value = row;

	msr_write_faults(HF_MSR_LAZY_WORD, *value ? *value : c->ram_end | 1, f);
}

static void next_msr(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	msr_read_faults(HF_MSR_HYPERCALL_PAGE + HF_MSR_COUNT, f);
}

#define CHECK(name, fn)        \
	{                      \
		name, fn, NULL \
	}
#define VALUE(name, fn, v)             \
	{                              \
		name, fn, &(const u64) \
		{                      \
			v              \
		}                      \
	}
#define ROW(name, fn, ...)                       \
	{                                        \
		name, fn, &(const struct hf_row) \
		{                                \
			__VA_ARGS__              \
		}                                \
	}
#define SERVED(name, ...) ROW("flush." name, serves, __VA_ARGS__)
#define FENCE(name, ...)  ROW("fence." name, answers, .nr = HF_CALL_FENCE, __VA_ARGS__)
#define REFUSED(name, e, ...) \
	ROW("refused." name, refuses, .set = SET_ONE, .result = e, __VA_ARGS__)
#define PAGE_OF_SLOT_0 (ARENA_BASE + PROBE_SLOT_0 * PAGE_SIZE)
#define RANGES(n, at, pages, shift, ...) \
	.ranges = (n),                   \
	.range = { .start = (at), .count = (pages), .page_shift = (shift), __VA_ARGS__ }
#define ANY		      .root = HF_ROOT_ANY
#define RANGE(at, pages, ...) RANGES(1, at, pages, HF_PAGE_4K, __VA_ARGS__)
#define SLOT_0		      RANGE(PAGE_OF_SLOT_0, 1, ANY)

static const struct check checks[] = {
	CHECK("discovery.leaves", found_at),
	CHECK("discovery.version", version),
	CHECK("discovery.has-flush", features),
	CHECK("discovery.lowering-has-hyperv", lowering),
	CHECK("discovery.limits", limits),
	CHECK("discovery.same-on-all-cpus", leaves_agree),
	CHECK("msr.page-reads-back", page_reads_back),
	VALUE("msr.page-reserved-bit", page_bad, 3),
	VALUE("msr.page-not-enabled", page_bad, 2),
	VALUE("msr.page-beyond-ram", page_bad, 0),
	VALUE("msr.lazy-word-misaligned", lazy_word_bad, 0x1005),
	VALUE("msr.lazy-word-not-enabled", lazy_word_bad, 0x1000),
	VALUE("msr.lazy-word-beyond-ram", lazy_word_bad, 0),
	CHECK("msr.next-is-nobodys", next_msr),
	ROW("call-needs-page", call_needs_page, .set = SET_ONE),

	SERVED("one", .set = SET_ONE),
	SERVED("two", .set = SET_TWO),
	SERVED("self", .set = SET_SELF),
	SERVED("self-and-one", .set = SET_SELF_AND_ONE),
	SERVED("nobody", .set = SET_NONE),
	SERVED("63", .set = SET_63),
	SERVED("64", .set = SET_64),
	SERVED("65", .set = SET_65),
	SERVED("63-64", .set = SET_63_64),
	SERVED("63-64-65", .set = SET_63_64_65),
	SERVED("one-of-each-bank", .set = SET_1_64),
	SERVED("gap-of-banks", .set = SET_1_64, .extra_banks = 1ull << 9 | 1ull << 63),
	SERVED("others-by-banks", .set = SET_OTHERS),
	SERVED("all", .kind = HF_SET_ALL, .set = SET_ALL),
	SERVED("all-but-self", .kind = HF_SET_ALL_BUT_SELF, .set = SET_OTHERS),
	SERVED("strong", .set = SET_TWO, .flags = HF_FLUSH_STRONG),
	SERVED("strong-self", .set = SET_SELF, .flags = HF_FLUSH_STRONG),
	SERVED("page", .set = SET_ONE, .cover = 1, SLOT_0),
	SERVED("pages", .set = SET_ONE, RANGE(PAGE_OF_SLOT_0, 41, ANY)),
	SERVED("64-ranges", .set = SET_ONE, .cover = 1,
	       RANGES(64, PAGE_OF_SLOT_0, 1, HF_PAGE_4K, ANY)),
	SERVED("scope-tables", .set = SET_ONE, .cover = 1,
	       RANGE(PAGE_OF_SLOT_0, 1, ANY, .scope = HF_SCOPE_TABLES)),
	SERVED("scope-globals", .set = SET_ONE, .cover = 1,
	       RANGE(PAGE_OF_SLOT_0, 1, ANY, .scope = HF_SCOPE_GLOBALS)),
	SERVED("2-mib", .set = SET_ONE, RANGES(1, ARENA_BASE, 1, HF_PAGE_2M, ANY)),
	SERVED("1-gib", .set = SET_ONE, RANGES(1, ARENA_BASE, 1, HF_PAGE_1G, ANY)),
	SERVED("whole-space", .set = SET_ONE, RANGE(0, HF_COUNT_ALL, ANY)),
	SERVED("64-lists-two-banks", .set = SET_1_64, .cover = 1,
	       RANGES(64, PAGE_OF_SLOT_0, 1, HF_PAGE_4K, ANY)),
	ROW("flush.preserves-registers", preserves, .set = SET_ONE),
	FENCE("one", .set = SET_ONE),
	FENCE("nobody", .set = SET_NONE),
	FENCE("all", .kind = HF_SET_ALL),
	FENCE("all-but-self", .kind = HF_SET_ALL_BUT_SELF),
	FENCE("two-banks", .set = SET_1_64),

	REFUSED("call-beyond-all", HF_ENOSYS, .nr = UINT64_MAX),
	REFUSED("call-100", HF_ENOSYS, .nr = 100),
	REFUSED("call-high-half", HF_ENOSYS, .nr = 1ull << 32 | HF_CALL_FLUSH),
	REFUSED("shorter-by-1", HF_ESIZE, .longer = -1),
	REFUSED("longer-by-1", HF_ESIZE, .longer = 1),
	REFUSED("header-cut", HF_ESIZE, .longer = -16),
	ROW("refused.length-0", refuses, .result = HF_ESIZE, .longer = -32),
	REFUSED("longer-than-limit", HF_ESIZE, .longer = HF_MAX_REQUEST_BYTES),
	REFUSED("range-missing", HF_ESIZE, .claim = 1),
	REFUSED("65-ranges", HF_ESIZE,
		RANGES(HF_MAX_RANGES + 1, PAGE_OF_SLOT_0, 1, HF_PAGE_4K, ANY)),
	REFUSED("beyond-ram", HF_EFAULT, .place = PLACE_BEYOND),
	REFUSED("straddles-end", HF_EFAULT, .place = PLACE_STRADDLING, .split = 32),
	REFUSED("wraps", HF_EFAULT, .place = PLACE_WRAPPING),
	REFUSED("unknown-flag", HF_EFLAGS, .flags = 1u << 1),
	REFUSED("unknown-high-flag", HF_EFLAGS, .flags = 1u << 31),
	REFUSED("reserved-0", HF_EFLAGS, .reserved0 = 1),
	REFUSED("reserved-1", HF_EFLAGS, .reserved1 = 1ull << 63),
	REFUSED("scope-3", HF_EFLAGS, RANGE(PAGE_OF_SLOT_0, 1, ANY, .scope = 3)),
	REFUSED("range-reserved", HF_EFLAGS,
		RANGE(PAGE_OF_SLOT_0, 1, ANY, .reserved = { 0, 0, 0, 0, 0, 1 })),
	ROW("refused.set-kind-3", refuses, .result = HF_ESET, .kind = 3),
	REFUSED("all-with-bank", HF_ESET, .kind = HF_SET_ALL, .extra_banks = 1, .extra = 2),
	REFUSED("all-but-self-with-bank", HF_ESET, .kind = HF_SET_ALL_BUT_SELF, .extra_banks = 1),
	REFUSED("absent-vcpu", HF_ESET, .extra_banks = 1ull << 1, .extra = 1ull << 63),
	REFUSED("absent-bank", HF_ESET, .extra_banks = 1ull << 63, .extra = 1),
	REFUSED("page-size-13", HF_ERANGE, RANGES(1, PAGE_OF_SLOT_0, 1, 13, ANY)),
	REFUSED("page-size-0", HF_ERANGE, RANGES(1, PAGE_OF_SLOT_0, 1, 0, ANY)),
	REFUSED("count-0", HF_ERANGE, RANGE(PAGE_OF_SLOT_0, 0, ANY)),
	REFUSED("start-misaligned", HF_ERANGE, RANGE(PAGE_OF_SLOT_0 + 8, 1, ANY)),
	REFUSED("start-misaligned-2-mib", HF_ERANGE, RANGES(1, PAGE_OF_SLOT_0, 1, HF_PAGE_2M, ANY)),
	REFUSED("start-not-canonical", HF_ERANGE, RANGE(1ull << 47, 1, ANY)),
	REFUSED("crosses-hole", HF_ERANGE, RANGE(USER_END - PAGE_SIZE, 2, ANY)),
	REFUSED("bytes-overflow", HF_ERANGE, RANGE(PAGE_OF_SLOT_0, 1ull << 52, ANY)),
	REFUSED("end-wraps", HF_ERANGE, RANGE(0xfffffffffffff000, 2, ANY)),
	REFUSED("all-with-start", HF_ERANGE, RANGE(PAGE_OF_SLOT_0, HF_COUNT_ALL, ANY)),
	REFUSED("root-misaligned", HF_ERANGE, RANGE(PAGE_OF_SLOT_0, 1, .root = 0x1008)),
	REFUSED("root-too-high", HF_ERANGE, RANGE(PAGE_OF_SLOT_0, 1, .root = 1ull << 52)),
	REFUSED("fence-flags", HF_EFLAGS, .nr = HF_CALL_FENCE, .flags = HF_FLUSH_STRONG),
	REFUSED("fence-ranges", HF_EFLAGS, .nr = HF_CALL_FENCE, SLOT_0),
	REFUSED("fence-absent-vcpu", HF_ESET, .nr = HF_CALL_FENCE, .extra_banks = 1ull << 63,
		.extra = 1),
	ROW("refused.from-ring-3", from_user, .set = SET_ONE),
};

const struct check_table conform_hyperflush = {
	.abi = "hyperflush",
	.lacking = lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
