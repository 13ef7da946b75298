/* SPDX-License-Identifier: BSD-2-Clause */
/* Table `hyperv`: how it is found and set up, and every call in every encoding. */
#include "guest/conform/abi/hyperv.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/flush/backend.h"
#include "guest/mm/page.h"
#include "guest/user/launch.h"

#define MSR_RESET	   0x40000003u
#define MSR_VP_RUNTIME	   0x40000010u
#define MSR_TIME_REF_COUNT 0x40000020u
#define MSR_REFERENCE_TSC  0x40000021u
#define MSR_SCONTROL	   0x40000080u
#define MSR_STIMER0_CONFIG 0x400000b0u

static void max_leaf(struct conform *c, const void *row, struct finding *f)
{
	u32 max = cpuid(HV_CPUID_VENDOR, 0).eax;

	(void)c, (void)row;
	finding_is(f, max >= HV_CPUID_LIMITS && max <= 0x400000ff, "highest leaf %#x", max);
}

static void msrs_offered(struct conform *c, const void *row, struct finding *f)
{
	u32 eax = cpuid(HV_CPUID_FEATURES, 0).eax;

	(void)c, (void)row;
	finding_is(f, eax & HV_FEATURE_A_HYPERCALL_MSRS && eax & HV_FEATURE_A_VP_INDEX,
		   "a remote flush is hinted, and leaf 3 EAX is %#x", eax);
}

static void most_vps(struct conform *c, const void *row, struct finding *f)
{
	u32 max = cpuid(HV_CPUID_LIMITS, 0).eax;

	(void)c, (void)row;
	if (!max)
		finding_skip(f, "the hypervisor states no limit");
	else
		finding_is(f, max >= cpu_count(), "%u VPs at most, %u are there", max, cpu_count());
}

static void plain_is_enough(struct conform *c, const void *row, struct finding *f)
{
	bool ex = cpuid(HV_CPUID_ENLIGHT, 0).eax & HV_ENLIGHT_A_EX_MASKS;

	(void)c, (void)row;
	finding_is(f, ex || cpu_count() <= 64, "EX sets %s, %u CPUs", ex ? "hinted" : "not hinted",
		   cpu_count());
}

static void leaves_agree(struct conform *c, const void *row, struct finding *f)
{
	u32 different = 0;

	(void)row;
	for (u32 leaf = HV_CPUID_VENDOR; leaf <= HV_CPUID_LIMITS; leaf++)
		different += !leaf_same_everywhere(c, leaf);
	finding_is(f, !different, "%u leaves differ between CPUs", different);
}

/* The next three come before anything has set the guest OS id. */
static void os_id_is_zero(struct conform *c, const void *row, struct finding *f)
{
	u64 id = rdmsr(HV_MSR_GUEST_OS_ID);

	(void)c, (void)row;
	finding_is(f, !id, "guest OS id %#llx", (unsigned long long)id);
}

static bool already_set(struct finding *f)
{
	if (!rdmsr(HV_MSR_GUEST_OS_ID))
		return false;
	finding_skip(f, "somebody has set the guest OS id before us");
	return true;
}

static void page_needs_os_id(struct conform *c, const void *row, struct finding *f)
{
	u32 vector;
	u64 back;

	(void)c, (void)row;
	if (already_set(f))
		return;
	vector = try_wrmsr(HV_MSR_HYPERCALL, hypercall_page_hyperv() | 1);
	back = rdmsr(HV_MSR_HYPERCALL);
	finding_is(f, !vector && !(back & 1), "exception %u; the MSR reads %#llx", vector,
		   (unsigned long long)back);
}

/* A good request, by the bare instruction: the code page is not there yet. */
static void call_bare(struct conform *c, struct finding *f, const char *when, bool os_id)
{
	struct attempt a = { .cover = PROBE_ALL };
	struct raw_call *call = &a.call;
	u64 input[3] = { 0, HV_FLUSH_ALL_SPACES | HV_FLUSH_ALL_PROCESSORS, 0 };
	u32 stale = 0;

	cpumask_set(&a.probes, 1);
	probes_use(c->probes, &a.probes);
	*call = (struct raw_call){ .target = raw_bare(),
				   .rax = UINT32_MAX, /* no KVM call has that number */
				   .rcx = HV_CALL_FLUSH_SPACE };
	call->rdx = request_place(c, PLACE_PAGE, input, sizeof(input), 0, f);
	for (u32 i = 0; i < 60 && !stale; i++) {
		probes_arm(c->probes);
		struct raw_call now = *call;

		raw_call(&now);
		stale = probes_look(c->probes, PROBE_ALL, NULL);
		call->fault = now.fault;
		call->rbx = now.rax;
	}
	if (call->fault == TRAP_UD)
		finding_pass(f, "#UD %s", when);
	else if (call->fault)
		finding_fail(f, "exception %llu %s", (unsigned long long)call->fault, when);
	else if (os_id && (!call->rbx || !stale))
		finding_deviates(f,
				 "served %s; KVM wants the OS id only (kvm_hv_hypercall_enabled())",
				 when);
	else if (!os_id && call->rbx && stale)
		finding_deviates(
			f,
			"refused with %#llx %s, not by #UD; KVM takes it for a call of its own "
			"(kvm_emulate_hypercall())",
			(unsigned long long)call->rbx, when);
	else
		finding_fail(f, "result %#llx %s, probe %s", (unsigned long long)call->rbx, when,
			     stale ? "stale" : "flushed");
}

static void call_needs_os_id(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	if (!already_set(f))
		call_bare(c, f, "without a guest OS id", false);
}

static void call_needs_page(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	if (rdmsr(HV_MSR_HYPERCALL) & 1) {
		finding_skip(f, "somebody has set up the page before us");
		return;
	}
	wrmsr(HV_MSR_GUEST_OS_ID, 1ull << 63 | 1);
	call_bare(c, f, "without a hypercall page", true);
}

static void os_id_reads_back(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	hv_enable(c);
	finding_is(f, rdmsr(HV_MSR_GUEST_OS_ID) == (1ull << 63 | 1), "%#llx",
		   (unsigned long long)rdmsr(HV_MSR_GUEST_OS_ID));
}

static void page_is_filled(struct conform *c, const void *row, struct finding *f)
{
	const u8 *page = phys_to_virt(hypercall_page_hyperv());
	u64 back;

	(void)row;
	hv_enable(c);
	back = rdmsr(HV_MSR_HYPERCALL);
	finding_is(f, back == (hypercall_page_hyperv() | 1) && page[0] != 0xcc,
		   "the MSR reads %#llx, the page begins with %02x %02x %02x",
		   (unsigned long long)back, page[0], page[1], page[2]);
}

static void page_beyond_ram(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	hv_enable(c);
	msr_write_faults(HV_MSR_HYPERCALL, c->edge.beyond | 1, f);
	if (rdmsr(HV_MSR_HYPERCALL) != (hypercall_page_hyperv() | 1))
		finding_fail(f, "a refused write has changed the MSR");
}

static void vp_indexes(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	hv_enable(c);
	for (u32 i = 0; i < cpu_count(); i++) {
		for (u32 k = 0; k < i; k++) {
			if (c->vp[i] == c->vp[k]) {
				finding_fail(f, "CPUs %u and %u both have index %u", k, i,
					     c->vp[i]);
				return;
			}
		}
	}
	finding_pass(f, "%u different indexes", cpu_count());
}

static void vp_index_is_fixed(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	msr_write_faults(HV_MSR_VP_INDEX, 7, f);
}

struct unoffered_msr {
	u32 msr;
	u8 bit; /* of leaf 3 EAX: that offers it */
};

static void msr_not_offered(struct conform *c, const void *row, struct finding *f)
{
	const struct unoffered_msr *m = row;

	(void)c;
	if (cpuid(HV_CPUID_FEATURES, 0).eax >> m->bit & 1)
		finding_skip(f, "it is offered");
	else
		msr_read_faults(m->msr, f);
}

static void preserves(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!hv_attempt(c, row, &a, f))
		return;
	a.call.rbx = 0x1111, a.call.rsi = 0x2222, a.call.rdi = 0x3333, a.call.r9 = 0x4444;
	a.call.r10 = 0x5555, a.call.r12 = 0x6666, a.call.r13 = 0x7777, a.call.r14 = 0x8888;
	a.call.r15 = 0x9999, a.call.rbp = 0xaaaa;
	attempt_preserves(c, &a, 1u, f); /* RAX */
}

/* A mask of 0 names nobody; whoever takes it for everybody flushes too much, which is harmless. */
static void mask_zero(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!hv_attempt(c, row, &a, f))
		return;
	cpumask_set(&a.probes, 1);
	attempt_serves(c, &a, f);
	if (f->outcome == OUTCOME_PASSED)
		finding_deviates(f, "everybody is flushed; KVM does so for Windows Server 2012 "
				    "(kvm_hv_flush_tlb())");
	else
		attempt_refused(c, &a, f);
}

#define CHECK(name, fn)        \
	{                      \
		name, fn, NULL \
	}
#define ROW(name, fn, ...)                       \
	{                                        \
		name, fn, &(const struct hv_row) \
		{                                \
			__VA_ARGS__              \
		}                                \
	}
#define SERVED(name, ...) ROW("call." name, hv_serves, __VA_ARGS__)
#define UNOFFERED(name, m, b)                                                         \
	{                                                                             \
		"msr.unoffered-" name, msr_not_offered, &(const struct unoffered_msr) \
		{                                                                     \
			m, b                                                          \
		}                                                                     \
	}
#define SPACE	   .code = HV_CALL_FLUSH_SPACE
#define LIST	   .code = HV_CALL_FLUSH_LIST
#define SPACE_EX   .code = HV_CALL_FLUSH_SPACE_EX
#define LIST_EX	   .code = HV_CALL_FLUSH_LIST_EX
#define ALL_FORMAT .format = HV_GENERIC_SET_ALL

static const struct check checks[] = {
	CHECK("discovery.highest-leaf", max_leaf),
	CHECK("discovery.flush-has-msrs", msrs_offered),
	CHECK("discovery.most-vps", most_vps),
	CHECK("discovery.ex-if-many-cpus", plain_is_enough),
	CHECK("discovery.same-on-all-cpus", leaves_agree),
	CHECK("msr.os-id-is-zero-first", os_id_is_zero),
	CHECK("msr.page-needs-os-id", page_needs_os_id),
	CHECK("msr.call-needs-os-id", call_needs_os_id),
	CHECK("msr.call-needs-page", call_needs_page),
	CHECK("msr.os-id-reads-back", os_id_reads_back),
	CHECK("msr.page-is-filled", page_is_filled),
	CHECK("msr.page-beyond-ram", page_beyond_ram),
	CHECK("msr.vp-indexes-differ", vp_indexes),
	CHECK("msr.vp-index-is-fixed", vp_index_is_fixed),
	UNOFFERED("runtime", MSR_VP_RUNTIME, 0),
	UNOFFERED("time", MSR_TIME_REF_COUNT, 1),
	UNOFFERED("synic", MSR_SCONTROL, 2),
	UNOFFERED("timers", MSR_STIMER0_CONFIG, 3),
	UNOFFERED("reset", MSR_RESET, 7),
	UNOFFERED("reference-tsc", MSR_REFERENCE_TSC, 9),

	SERVED("space.one", SPACE, .set = SET_ONE),
	SERVED("space.two", SPACE, .set = SET_TWO),
	SERVED("space.self", SPACE, .set = SET_SELF),
	SERVED("space.self-and-one", SPACE, .set = SET_SELF_AND_ONE),
	SERVED("space.63", SPACE, .set = SET_63),
	SERVED("space.all", SPACE, .flags = HV_FLUSH_ALL_PROCESSORS, .set = SET_ALL),
	SERVED("space.own-space", SPACE, .set = SET_ONE, .own_space = true,
	       .flags = HV_FLUSH_ALL_SPACES),
	SERVED("space.non-global-only", SPACE, .set = SET_ONE, .flags = HV_FLUSH_NON_GLOBAL_ONLY),
	ROW("call.space.mask-zero", mask_zero, SPACE, .set = SET_NONE),
	SERVED("list.one-page", LIST, .set = SET_ONE, .list = HV_LIST_PAGE),
	SERVED("list.range", LIST, .set = SET_ONE, .list = HV_LIST_RANGE),
	SERVED("list.two-entries", LIST, .set = SET_ONE, .list = HV_LIST_TWO),
	SERVED("list.two-targets", LIST, .set = SET_TWO, .list = HV_LIST_TWO),
	SERVED("list.4096-pages", LIST, .set = SET_ONE, .list = HV_LIST_LONG),
	SERVED("list.15-entries", LIST, .set = SET_ONE, .list = HV_LIST_LAST, .reps = 15),
	SERVED("list.16-entries", LIST, .set = SET_ONE, .list = HV_LIST_LAST, .reps = 16),
	SERVED("list.100-entries", LIST, .set = SET_ONE, .list = HV_LIST_LAST, .reps = 100),
	SERVED("list.all", LIST, .flags = HV_FLUSH_ALL_PROCESSORS, .set = SET_ALL,
	       .list = HV_LIST_PAGE),
	SERVED("list.self", LIST, .set = SET_SELF, .list = HV_LIST_PAGE),
	SERVED("space-ex.one", SPACE_EX, .set = SET_ONE),
	SERVED("space-ex.63", SPACE_EX, .set = SET_63),
	SERVED("space-ex.64", SPACE_EX, .set = SET_64),
	SERVED("space-ex.65", SPACE_EX, .set = SET_65),
	SERVED("space-ex.63-64", SPACE_EX, .set = SET_63_64),
	SERVED("space-ex.63-64-65", SPACE_EX, .set = SET_63_64_65),
	SERVED("space-ex.one-of-each-bank", SPACE_EX, .set = SET_1_64),
	SERVED("space-ex.others", SPACE_EX, .set = SET_OTHERS),
	SERVED("space-ex.every-vp", SPACE_EX, .set = SET_ALL),
	SERVED("space-ex.format-all", SPACE_EX, .set = SET_ALL, ALL_FORMAT),
	SERVED("space-ex.no-bank", SPACE_EX, .set = SET_NONE),
	SERVED("space-ex.gap-of-banks", SPACE_EX, .set = SET_1_64,
	       .empty_banks = 1ull << 9 | 1ull << 62),
	SERVED("list-ex.one-page", LIST_EX, .set = SET_ONE, .list = HV_LIST_PAGE),
	SERVED("list-ex.63-64", LIST_EX, .set = SET_63_64, .list = HV_LIST_TWO),
	SERVED("list-ex.64-range", LIST_EX, .set = SET_64, .list = HV_LIST_RANGE),
	SERVED("list-ex.gap-of-banks", LIST_EX, .set = SET_1_64, .empty_banks = 1ull << 9,
	       .list = HV_LIST_PAGE),
	SERVED("list-ex.16-entries", LIST_EX, .set = SET_1_64, .list = HV_LIST_LAST, .reps = 16),
	SERVED("list-ex.format-all", LIST_EX, .set = SET_ALL, ALL_FORMAT, .list = HV_LIST_TWO),
	SERVED("fast.space", SPACE, .fast = true, .set = SET_TWO),
	SERVED("fast.list-1", LIST, .fast = true, .set = SET_ONE, .list = HV_LIST_PAGE),
	SERVED("fast.list-11", LIST, .fast = true, .set = SET_ONE, .list = HV_LIST_LAST,
	       .reps = 11),
	SERVED("fast.space-ex", SPACE_EX, .fast = true, .set = SET_1_64),
	SERVED("fast.space-ex-ten-banks", SPACE_EX, .fast = true, .set = SET_1_64,
	       .empty_banks = 0xff00),
	SERVED("fast.list-ex", LIST_EX, .fast = true, .set = SET_63_64, .list = HV_LIST_TWO),
	SERVED("fast.list-ex-full", LIST_EX, .fast = true, .set = SET_1_64, .list = HV_LIST_LAST,
	       .reps = 8),
	ROW("call.preserves-registers", preserves, LIST, .set = SET_ONE, .list = HV_LIST_TWO),
};

const struct check_table conform_hyperv = {
	.abi = "hyperv",
	.lacking = hv_lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
