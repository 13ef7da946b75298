/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hyper-V's flush hypercalls (TLFS 11, HvCallFlushVirtualAddress*): the slow
 * form with the CPU's own input page. The plain calls up to VP 63, the EX
 * calls beyond. address_space is left 0 with ALL_SPACES: KVM ignores it.
 */
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/backend.h"
#include "guest/lib/print.h"
#include "guest/mm/page.h"
#include "shared/hyperv_abi.h"

#define HYPERV_MAX_VPS 4096u
#define HYPERV_BANKS   (HYPERV_MAX_VPS / 64)

/* KVM decodes lists up to this long; at 16 entries it flushes everything anyway. */
#define HYPERV_MAX_LIST 15u

/* TLFS 2.6: bit 63 clear would mean a registered vendor; any non-zero value enables the calls. */
#define HYPERV_OPEN_SOURCE_OS (1ull << 63)

static const char *probe(void)
{
	if (!(cpuid(1, 0).ecx & (1u << 31)) || cpuid(HV_CPUID_INTERFACE, 0).eax != HV_INTERFACE_HV1)
		return "no Hyper-V CPUID leaf";
	u32 features = cpuid(HV_CPUID_FEATURES, 0).eax;

	if (!(features & HV_FEATURE_A_HYPERCALL_MSRS) || !(features & HV_FEATURE_A_VP_INDEX))
		return "Hyper-V without hypercall or VP index MSRs";
	u32 hints = cpuid(HV_CPUID_ENLIGHT, 0).eax;

	if (!(hints & HV_ENLIGHT_A_REMOTE_FLUSH))
		return "Hyper-V does not offer remote flushes";
	if (cpu_count() > 64 && !(hints & HV_ENLIGHT_A_EX_MASKS))
		return "Hyper-V without EX sets, which more than 64 vCPUs need";
	return NULL;
}

static void init(void)
{
	wrmsr(HV_MSR_GUEST_OS_ID, HYPERV_OPEN_SOURCE_OS | 1);
	wrmsr(HV_MSR_HYPERCALL, hypercall_page_hyperv() | 1);
}

static void init_cpu(void)
{
	u32 vp = (u32)rdmsr(HV_MSR_VP_INDEX);

	if (vp >= HYPERV_MAX_VPS)
		panic("hyperv: VP index %u of CPU %u is beyond a sparse set", vp, cpu_id());
	flush_cpu(cpu_id())->vp_index = vp;
}

/* Writes the list of the request's ranges; its length, or 0 if the whole space must be flushed. */
static unsigned build_list(const struct flush_request *req, u64 *gva)
{
	unsigned n = 0;

	if (req->flags & (FLUSH_TABLES | FLUSH_GLOBALS))
		return 0; /* TLFS says nothing of paging-structure caches in a list flush */
	/*
	 * mm/pcid.h: a target need not have the mm's PCID in CR3. On AMD, KVM carries out a list by
	 * INVLPGA, which is not known to reach the others.
	 */
	if (this_mm_cpu()->pcids)
		return 0;
	for (unsigned i = 0; i < req->nr_ranges; i++) {
		u64 start = req->ranges[i].start, left = req->ranges[i].pages;

		while (left) {
			u64 extra = left - 1 < HV_GVA_MAX_EXTRA_PAGES ? left - 1
								      : HV_GVA_MAX_EXTRA_PAGES;

			if (n == HYPERV_MAX_LIST)
				return 0;
			gva[n++] = start | extra;
			start += (extra + 1) * PAGE_SIZE;
			left -= extra + 1;
		}
	}
	return n;
}

static u64 flags_of(const struct flush_request *req)
{
	return HV_FLUSH_ALL_SPACES | (req->flags & FLUSH_GLOBALS ? 0 : HV_FLUSH_NON_GLOBAL_ONLY);
}

static u64 call_plain(const struct flush_request *req, u64 mask)
{
	struct hv_tlb_flush *in = (void *)flush_cpu(cpu_id())->input;

	in->address_space = 0;
	in->flags = flags_of(req);
	in->processor_mask = mask;

	u64 reps = build_list(req, in->gva);
	u64 code = reps ? HV_CALL_FLUSH_LIST : HV_CALL_FLUSH_SPACE;

	return hypercall_hyperv(code | reps << HV_CONTROL_REP_SHIFT, virt_to_phys(in), 0);
}

static u64 call_ex(const struct flush_request *req, const u64 *bank)
{
	struct hv_tlb_flush_ex *in = (void *)flush_cpu(cpu_id())->input;
	u64 banks = 0;

	in->address_space = 0;
	in->flags = flags_of(req);
	in->format = HV_GENERIC_SET_SPARSE_4K;
	in->valid_bank_mask = 0;
	for (unsigned b = 0; b < HYPERV_BANKS; b++) {
		if (!bank[b])
			continue;
		in->valid_bank_mask |= 1ull << b;
		in->words[banks++] = bank[b];
	}
	u64 reps = build_list(req, &in->words[banks]);
	u64 code = reps ? HV_CALL_FLUSH_LIST_EX : HV_CALL_FLUSH_SPACE_EX;

	return hypercall_hyperv(code | banks << HV_CONTROL_VAR_SHIFT | reps << HV_CONTROL_REP_SHIFT,
				virt_to_phys(in), 0);
}

static void flush(const struct flush_request *req, const struct cpumask *remote)
{
	u64 bank[HYPERV_BANKS] = { 0 }, beyond_first = 0;
	for_each_cpu (cpu, remote) {
		u32 vp = flush_cpu(cpu)->vp_index;

		bank[vp / 64] |= 1ull << (vp % 64);
		beyond_first |= vp / 64;
	}
	u64 result = beyond_first ? call_ex(req, bank) : call_plain(req, bank[0]);

	if (result & HV_STATUS_MASK)
		panic("hyperv: flush of %u CPUs returned 0x%lx", cpumask_weight(remote), result);
	flush_cpu(cpu_id())->counters.hypercalls++;
}

const struct flush_backend flush_hyperv = {
	.id = HF_BACKEND_HYPERV,
	.name = "hyperv",
	.probe = probe,
	.init = init,
	.init_cpu = init_cpu,
	.flush = flush,
};
