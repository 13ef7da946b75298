/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hyperflush ABI's flush, fence and detach (ring.c has its ring), and two more that are the
 * same ABI where the VMM offers something besides:
 *
 *   lowered   plain flushes go as Hyper-V calls, for the VMM says that KVM serves those faster
 *   elided    targets that KVM's steal time says are descheduled are left to KVM; if they all are,
 *             there is no call
 */
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/backend.h"
#include "guest/flush/ring.h"
#include "guest/lib/print.h"
#include "guest/mm/page.h"
#include "shared/hyperflush_abi.h"

static u32 offered; /* HF_FEATURE_*, of the boot CPU's leaf; constant after init() */

static u32 features(u32 base)
{
	return cpuid(base + HF_CPUID_FEATURES, 0).ebx;
}

/* How long `detach` may wait for lazy CPUs that the host does not run. */
#define DETACH_DEADLINE_US 2000u

static const char *probe(void)
{
	u32 base = hypervisor_base(HF_SIGNATURE);

	if (!base)
		return "no hyperflush CPUID leaf";
	if (cpuid(base + HF_CPUID_FEATURES, 0).eax != HF_VERSION)
		return "hyperflush leaf of another version";
	if (!(features(base) & HF_FEATURE_FLUSH))
		return "hyperflush leaf without flush";
	for (unsigned i = 0; i < cpu_count(); i++)
		if (cpu_by_id(i)->apic_id >= cpuid(base + HF_CPUID_LIMITS, 0).eax)
			return "more vCPUs than a hyperflush set can name";
	return NULL;
}

static void init(void)
{
	offered = features(hypervisor_base(HF_SIGNATURE));
	wrmsr(cpuid(hypervisor_base(HF_SIGNATURE) + HF_CPUID_FEATURES, 0).ecx,
	      hypercall_page_hyperflush() | 1);
}

/* The host may write this CPU's words from now on; of the root word: mm_cpu.h. */
static void init_cpu(void)
{
	u32 base = hypervisor_base(HF_SIGNATURE);

	if (offered & HF_FEATURE_STATE)
		wrmsr(HF_MSR_STATE, virt_to_phys(&flush_cpu(cpu_id())->state) | 1);
	if (offered & HF_FEATURE_RING)
		ring_init_cpu((u16)cpuid(base + HF_CPUID_LIMITS, 0).edx);
	if (offered & HF_FEATURE_DETACH)
		wrmsr(HF_MSR_LAZY_WORD, virt_to_phys(&this_mm_cpu()->root_word) | 1);
}

/* Appends the banks of `remote`, by x2APIC id. Returns the bank mask and advances *out. */
static u64 build_banks(const struct cpumask *remote, u8 **out)
{
	u64 bank[HF_MAX_BANKS] = { 0 }, mask = 0;
	for_each_cpu (cpu, remote) {
		u32 id = cpu_by_id(cpu)->apic_id;

		bank[id / HF_BANK_BITS] |= 1ull << (id % HF_BANK_BITS);
		mask |= 1ull << (id / HF_BANK_BITS);
	}
	for (u64 m = mask; m; m &= m - 1) {
		*(u64 *)(void *)*out = bank[__builtin_ctzll(m)];
		*out += sizeof(u64);
	}
	return mask;
}

static void build_ranges(const struct flush_request *req, u8 **out)
{
	for (unsigned i = 0; i < req->nr_ranges; i++) {
		*(struct hf_range *)(void *)*out = (struct hf_range){
			.root = HF_ROOT_ANY,
			.start = req->ranges[i].start,
			.count = req->ranges[i].pages,
			.page_shift = HF_PAGE_4K,
			.scope = req->flags & FLUSH_GLOBALS  ? HF_SCOPE_GLOBALS
				 : req->flags & FLUSH_TABLES ? HF_SCOPE_TABLES
							     : HF_SCOPE_LEAF,
		};
		*out += sizeof(struct hf_range);
	}
}

/* `end`: of the request in this CPU's input page. */
static void call(u64 nr, const char *name, const u8 *end)
{
	struct flush_cpu *me = flush_cpu(cpu_id());
	u64 result = hypercall_hyperflush(nr, virt_to_phys(me->input), (u64)(end - me->input));

	if (result)
		panic("hyperflush: %s returned %ld", name, (long)result);
	me->counters.hypercalls++;
}

u64 hyperflush_request(const struct flush_request *req, const struct cpumask *remote)
{
	struct flush_cpu *me = flush_cpu(cpu_id());
	struct hf_flush *head = (void *)me->input;
	u8 *end = me->input + sizeof(*head);

	*head = (struct hf_flush){
		.flags = req->flags & FLUSH_STRONG ? HF_FLUSH_STRONG : 0,
		.set_kind = HF_SET_BANKS,
		.range_count = (uint16_t)req->nr_ranges,
	};
	head->bank_mask = build_banks(remote, &end);
	build_ranges(req, &end);
	return (u64)(end - me->input);
}

static void flush(const struct flush_request *req, const struct cpumask *remote)
{
	u64 length = hyperflush_request(req, remote);

	call(HF_CALL_FLUSH, "flush", flush_cpu(cpu_id())->input + length);
}

static bool fence(const struct cpumask *remote)
{
	struct hf_flush *head = (void *)flush_cpu(cpu_id())->input;
	u8 *end = (u8 *)(head + 1);

	if (!(offered & HF_FEATURE_FENCE))
		return false;
	*head = (struct hf_flush){ .set_kind = HF_SET_BANKS };
	head->bank_mask = build_banks(remote, &end);
	call(HF_CALL_FENCE, "fence", end);
	return true;
}

/* The host has written the CPUs it moved over the banks; they come in ascending order. */
static void read_banks(u64 bank_mask, const u64 *bank, const struct cpumask *set,
		       struct cpumask *moved)
{
	u64 word[HF_MAX_BANKS] = { 0 };

	for (; bank_mask; bank_mask &= bank_mask - 1)
		word[__builtin_ctzll(bank_mask)] = *bank++;
	for_each_cpu (cpu, set) {
		u32 id = cpu_by_id(cpu)->apic_id;

		if (word[id / HF_BANK_BITS] >> (id % HF_BANK_BITS) & 1)
			cpumask_set(moved, cpu);
	}
}

static bool detach(paddr_t from, paddr_t to, const struct cpumask *set, struct cpumask *moved)
{
	struct hf_detach *head = (void *)flush_cpu(cpu_id())->input;
	u8 *end = (u8 *)(head + 1);

	if (!(offered & HF_FEATURE_DETACH))
		return false;
	*head = (struct hf_detach){
		.set_kind = HF_SET_BANKS, .from = from, .to = to, .deadline_us = DETACH_DEADLINE_US
	};
	head->bank_mask = build_banks(set, &end);
	call(HF_CALL_DETACH, "detach", end);
	read_banks(head->bank_mask, (const u64 *)(const void *)(head + 1), set, moved);
	return true;
}

static const char *probe_lowered(void)
{
	const char *why_not = probe();

	if (why_not)
		return why_not;
	if (!(features(hypervisor_base(HF_SIGNATURE)) & HF_FEATURE_LOWER_HYPERV))
		return "the host does not ask for Hyper-V calls";
	return flush_hyperv.probe();
}

static void init_lowered(void)
{
	init();
	flush_hyperv.init();
}

static void init_cpu_lowered(void)
{
	init_cpu();
	flush_hyperv.init_cpu();
}

/* Only our own call knows the STRONG form. */
static void flush_plain_lowered(const struct flush_request *req, const struct cpumask *remote)
{
	if (req->flags & FLUSH_STRONG)
		flush(req, remote);
	else
		flush_hyperv.flush(req, remote);
}

static const char *probe_elided(void)
{
	const char *why_not = probe();

	return why_not ? why_not : steal_probe();
}

static void init_cpu_elided(void)
{
	init_cpu();
	steal_init_cpu();
}

/* The STRONG form asks for more than KVM promises of a target that is descheduled. */
static void flush_running(const struct flush_request *req, const struct cpumask *remote)
{
	struct cpumask running = req->flags & FLUSH_STRONG ? *remote : steal_leave_to_host(remote);

	if (!cpumask_empty(&running))
		flush(req, &running);
}

const struct flush_backend flush_hyperflush = {
	.id = HF_BACKEND_HYPERFLUSH,
	.name = "hyperflush",
	.probe = probe,
	.init = init,
	.init_cpu = init_cpu,
	.flush = flush,
	.fence = fence,
	.detach = detach,
};

const struct flush_backend flush_lowered = {
	.id = HF_BACKEND_LOWERED,
	.name = "lowered",
	.probe = probe_lowered,
	.init = init_lowered,
	.init_cpu = init_cpu_lowered,
	.flush = flush_plain_lowered,
	.fence = fence,
	.detach = detach,
};

const struct flush_backend flush_elided = {
	.id = HF_BACKEND_ELIDED,
	.name = "elided",
	.probe = probe_elided,
	.init = init,
	.init_cpu = init_cpu_elided,
	.flush = flush_running,
	.fence = fence,
	.detach = detach,
};
