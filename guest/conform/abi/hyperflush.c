/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Table `hyperflush`: flush and fence. M-FLUSH-1, M-FLUSH-2 (most targets are halted),
 * M-FLUSH-4, M-FLUSH-6, M-FLUSH-7, M-FLUSH-10, M-CALL-1; others at their checks.
 */
#include "guest/conform/abi/hyperflush.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/timer.h"
#include "guest/cpu/trap.h"
#include "guest/flush/backend.h"
#include "guest/lib/harness.h"
#include "guest/lib/string.h"

u32 hf_base(void)
{
	return hypervisor_base(HF_SIGNATURE);
}

const char *hf_lacking(void)
{
	return hf_base() ? NULL : "no hyperflush CPUID leaf";
}

struct cpuid hf_leaf(u32 n)
{
	return cpuid(hf_base() + n, 0);
}

const char *hf_lacks(u32 feature, const char *why)
{
	if (hf_lacking())
		return hf_lacking();
	return hf_leaf(HF_CPUID_FEATURES).ebx & feature ? NULL : why;
}

void hf_enable(void)
{
	if (!rdmsr(hf_leaf(HF_CPUID_FEATURES).ecx))
		wrmsr(hf_leaf(HF_CPUID_FEATURES).ecx, hypercall_page_hyperflush() | 1);
}

bool hf_patient(u64 *since)
{
	u64 now = rdtsc();

	if (!*since)
		*since = now;
	return now - *since < tsc_from_ms(1000);
}

bool hf_msr_keeps(u32 msr, u64 value)
{
	return !try_wrmsr(msr, value) && rdmsr(msr) == value;
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

bool hf_request(const struct hf_row *row, u8 bytes[HF_ROW_BYTES], size_t *len, struct attempt *a,
		struct finding *f)
{
	struct hf_flush head = { .flags = row->flags,
				 .set_kind = row->kind,
				 .range_count = (u16)(row->ranges + row->claim),
				 .reserved = { row->reserved0, row->reserved1 } };
	struct cpumask cpus;

	*len = sizeof(head);
	*a = (struct attempt){ .result = (u64)row->result,
			       .result_mask = UINT64_MAX,
			       .cover = row->cover ? row->cover : PROBE_ALL };
	if (!set_cpus((enum target_set)row->set, &cpus, &a->probes, f))
		return false;
	hf_enable();
	*len += put_banks(row, &cpus, bytes + *len, &head.bank_mask);
	for (u32 i = 0; i < row->ranges; i++, *len += sizeof(row->range))
		memcpy(bytes + *len, &row->range, sizeof(row->range));
	memcpy(bytes, &head, sizeof(head));
	*len += (size_t)(s64)row->longer;
	return true;
}

bool hf_attempt(struct conform *c, const struct hf_row *row, struct attempt *a, struct finding *f)
{
	static u8 bytes[HF_ROW_BYTES];
	size_t len;

	if (!hf_request(row, bytes, &len, a, f))
		return false;
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

	if (hf_attempt(c, row, &a, f))
		attempt_serves(c, &a, f);
}

/* A fence flushes nothing: its result is all that is looked at. */
static void answers(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!hf_attempt(c, row, &a, f))
		return;
	cpumask_clear_all(&a.probes);
	attempt_serves(c, &a, f);
}

static void preserves(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!hf_attempt(c, row, &a, f))
		return;
	a.call.rbx = 0x1111, a.call.rcx = 0x2222, a.call.rdx = 0x3333, a.call.r8 = 0x4444;
	a.call.r9 = 0x5555, a.call.r10 = 0x6666, a.call.r12 = 0x7777, a.call.r13 = 0x8888;
	a.call.r14 = 0x9999, a.call.r15 = 0xaaaa, a.call.rbp = 0xbbbb;
	attempt_preserves(c, &a, 1u, f); /* RAX */
}

static void call_needs_page(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!hf_attempt(c, row, &a, f))
		return;
	/* The code stays in the page; the registration is gone, and the call is no call. */
	wrmsr(hf_leaf(HF_CPUID_FEATURES).ecx, 0);
	a.result = a.call.rax;
	attempt_refused(c, &a, f);
	hf_enable();
}

/* M-PAGE-4: on any vCPU. */
static u64 call_here(void *arg)
{
	const struct raw_call *call = arg;

	return hypercall_hyperflush(call->rax, call->rdi, call->rsi);
}

static void others_call_needs_page(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!hf_attempt(c, row, &a, f))
		return;
	probes_use(c->probes, &a.probes);
	wrmsr(hf_leaf(HF_CPUID_FEATURES).ecx, 0);
	u64 without = probe_run(c->probes, 1, call_here, &a.call);

	hf_enable();
	u64 with = probe_run(c->probes, 1, call_here, &a.call);

	finding_is(f, without == a.call.rax && !with, "RAX %#llx, with the page %#llx",
		   (unsigned long long)without, (unsigned long long)with);
}

struct controls {
	u64 cr0, cr4, efer, flags, root;
};

static u64 read_controls(void *arg)
{
	struct controls *r = arg;

	*r = (struct controls){ read_cr0(), read_cr4(), rdmsr(MSR_EFER), 0,
				probe_whose_root(NULL) };
	__asm__ volatile("pushfq; popq %0" : "=r"(r->flags));
	r->flags &= RFLAGS_IF;
	return 0;
}

/* M-FLUSH-11 */
static void target_keeps_controls(struct conform *c, const void *row, struct finding *f)
{
	struct controls before, after;
	struct attempt a;

	if (!hf_attempt(c, row, &a, f))
		return;
	probes_use(c->probes, &a.probes);
	probe_run(c->probes, 1, read_controls, &before);
	raw_call(&a.call);
	probe_run(c->probes, 1, read_controls, &after);
	finding_is(f, !a.call.rax && !memcmp(&before, &after, sizeof(before)),
		   "CR0 %#llx CR4 %#llx root of CPU %llu, were %#llx %#llx %llu",
		   (unsigned long long)after.cr0, (unsigned long long)after.cr4,
		   (unsigned long long)after.root, (unsigned long long)before.cr0,
		   (unsigned long long)before.cr4, (unsigned long long)before.root);
}

#define DUEL_CALLS 64u

/* One of two CPUs that flush each other. */
struct initiator {
	_Alignas(CACHE_LINE) struct raw_call call;
	const struct initiator *peer;
	u32 calls, in_call, met; /* met: calls at whose beginning or end the peer was in one */
	u32 refused;
};

static bool has_enough(const struct initiator *i)
{
	return __atomic_load_n(&i->calls, __ATOMIC_RELAXED) >= DUEL_CALLS &&
	       __atomic_load_n(&i->met, __ATOMIC_RELAXED);
}

/* Until both have enough: neither makes all of its calls while the other makes none. */
static u64 call_often(void *arg)
{
	struct initiator *me = arg;
	u64 since = 0;

	do {
		u32 met = __atomic_load_n(&me->peer->in_call, __ATOMIC_RELAXED);

		__atomic_store_n(&me->in_call, 1, __ATOMIC_RELAXED);
		me->refused += call_here(&me->call) != 0;
		met |= __atomic_load_n(&me->peer->in_call, __ATOMIC_RELAXED);
		__atomic_store_n(&me->in_call, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&me->met, me->met + met, __ATOMIC_RELAXED);
		__atomic_store_n(&me->calls, me->calls + 1, __ATOMIC_RELAXED);
	} while (!(has_enough(me) && has_enough(me->peer)) && hf_patient(&since));
	return 0;
}

/* M-FLUSH-12. That the two have never met would be no evidence. */
static void two_initiators(struct conform *c, const void *row, struct finding *f)
{
	static _Alignas(64) struct hf_small back;
	static struct initiator ours, theirs;
	struct attempt a;

	if (!hf_attempt(c, row, &a, f))
		return;
	back = hf_small(1ull << cpu_by_id(0)->apic_id);
	ours = (struct initiator){ .call = a.call, .peer = &theirs };
	theirs = (struct initiator){
		.call = { .rax = HF_CALL_FLUSH, .rdi = virt_to_phys(&back), .rsi = sizeof(back) },
		.peer = &ours
	};
	probes_use(c->probes, &a.probes);
	probe_post(c->probes, 1, call_often, &theirs);
	call_often(&ours);
	probe_wait(c->probes, 1);
	finding_is(f, !(ours.refused + theirs.refused) && ours.met + theirs.met,
		   "%u and %u calls, %u and %u met one of the other's, %u refused", ours.calls,
		   theirs.calls, ours.met, theirs.met, ours.refused + theirs.refused);
}

/* M-RESET-1: the vCPU behind the last one that runs, if there is one. */
static bool names_waiting(struct conform *c, struct hf_small *small, struct finding *f)
{
	u32 id = cpu_count(); /* ids without gaps */

	hf_enable();
	*small = hf_small(1ull << id % HF_BANK_BITS);
	small->head.bank_mask = 1ull << id / HF_BANK_BITS;
	u64 gpa = request_place(c, PLACE_PAGE, small, sizeof(*small), 0, f);

	if (hypercall_hyperflush(HF_CALL_FENCE, gpa, sizeof(*small)) != (u64)HF_ESET)
		return true;
	finding_skip(f, "no vCPU waits for its INIT");
	return false;
}

static void flush_of_waiting(struct conform *c, const void *row, struct finding *f)
{
	const u64 *nr = row;
	struct hf_small small;

	if (!names_waiting(c, &small, f))
		return;
	u64 result = hypercall_hyperflush(*nr, virt_to_phys(c->request), sizeof(small));

	finding_is(f, !result, "%#llx", (unsigned long long)result);
}

#define SERVED(name, ...) HF_ROW("flush." name, serves, __VA_ARGS__)
#define FENCE(name, ...)  HF_ROW("fence." name, answers, .nr = HF_CALL_FENCE, __VA_ARGS__)

static const struct check checks[] = {
	HF_ROW("call-needs-page", call_needs_page, .set = SET_ONE),
	HF_ROW("call-needs-page-everywhere", others_call_needs_page, .set = SET_ONE),

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
	SERVED("page", .set = SET_ONE, .cover = 1, HF_SLOT_0),
	SERVED("pages", .set = SET_ONE, HF_RANGE(HF_PAGE_OF_SLOT_0, 41, HF_ANY)),
	SERVED("64-ranges", .set = SET_ONE, .cover = 1,
	       HF_RANGES(64, HF_PAGE_OF_SLOT_0, 1, HF_PAGE_4K, HF_ANY)),
	SERVED("scope-tables", .set = SET_ONE, .cover = 1,
	       HF_RANGE(HF_PAGE_OF_SLOT_0, 1, HF_ANY, .scope = HF_SCOPE_TABLES)),
	SERVED("scope-globals", .set = SET_ONE, .cover = 1,
	       HF_RANGE(HF_PAGE_OF_SLOT_0, 1, HF_ANY, .scope = HF_SCOPE_GLOBALS)),
	SERVED("2-mib", .set = SET_ONE, HF_RANGES(1, ARENA_BASE, 1, HF_PAGE_2M, HF_ANY)),
	SERVED("1-gib", .set = SET_ONE, HF_RANGES(1, ARENA_BASE, 1, HF_PAGE_1G, HF_ANY)),
	SERVED("whole-space", .set = SET_ONE, HF_RANGE(0, HF_COUNT_ALL, HF_ANY)),
	SERVED("64-lists-two-banks", .set = SET_1_64, .cover = 1,
	       HF_RANGES(64, HF_PAGE_OF_SLOT_0, 1, HF_PAGE_4K, HF_ANY)),
	HF_ROW("flush.preserves-registers", preserves, .set = SET_ONE),
	HF_ROW("flush.target-keeps-controls", target_keeps_controls, .set = SET_ONE),
	HF_ROW("flush.two-initiators", two_initiators, .set = SET_ONE),
	FENCE("one", .set = SET_ONE),
	FENCE("nobody", .set = SET_NONE),
	FENCE("all", .kind = HF_SET_ALL),
	FENCE("all-but-self", .kind = HF_SET_ALL_BUT_SELF),
	FENCE("two-banks", .set = SET_1_64),
	HF_VALUE("reset.flush-of-vcpu-without-init", flush_of_waiting, HF_CALL_FLUSH),
	HF_VALUE("reset.fence-of-vcpu-without-init", flush_of_waiting, HF_CALL_FENCE),
};

const struct check_table conform_hyperflush = {
	.abi = "hyperflush",
	.lacking = hf_lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
