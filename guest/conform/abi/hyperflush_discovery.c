/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Table `hyperflush`: CPUID leaves and the hypercall page's MSR. M-CPUID-1, M-CPUID-2, M-CPUID-3,
 * M-PAGE-1, M-PAGE-2, M-PAGE-3.
 */
#include "guest/conform/abi/hyperflush.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/backend.h"

static void found_at(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	finding_is(f, !(hf_base() & 0xff) && hf_leaf(0).eax == hf_base() + HF_CPUID_MAX,
		   "base %#x, highest leaf %#x", hf_base(), hf_leaf(0).eax);
}

static void version(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	finding_is(f, hf_leaf(HF_CPUID_FEATURES).eax == HF_VERSION, "version %u",
		   hf_leaf(HF_CPUID_FEATURES).eax);
}

static void features(struct conform *c, const void *row, struct finding *f)
{
	u32 ebx = hf_leaf(HF_CPUID_FEATURES).ebx;

	(void)c, (void)row;
	finding_is(f, ebx & HF_FEATURE_FLUSH, "features %#x", ebx);
}

static void lowering(struct conform *c, const void *row, struct finding *f)
{
	u32 ebx = hf_leaf(HF_CPUID_FEATURES).ebx;

	(void)c, (void)row;
	if (!(ebx & HF_FEATURE_LOWER_HYPERV))
		finding_pass(f, "Hyper-V calls are not asked for");
	else
		finding_is(f, cpuid(0x40000001, 0).eax == 0x31237648, "Hyper-V is there as well");
}

static void limits(struct conform *c, const void *row, struct finding *f)
{
	struct cpuid l = hf_leaf(HF_CPUID_LIMITS);

	(void)c, (void)row;
	finding_is(f, l.eax >= cpu_count() && l.ebx && l.ecx >= sizeof(struct hf_flush),
		   "%u vCPUs, %u ranges, %u bytes", l.eax, l.ebx, l.ecx);
}

static void leaves_agree(struct conform *c, const void *row, struct finding *f)
{
	u32 different = 0;

	(void)row;
	for (u32 i = 0; i <= HF_CPUID_MAX; i++)
		different += !leaf_same_everywhere(c, hf_base() + i);
	finding_is(f, !different, "%u leaves differ between CPUs", different);
}

static void page_reads_back(struct conform *c, const void *row, struct finding *f)
{
	u64 back;

	(void)c, (void)row;
	hf_enable();
	back = rdmsr(hf_leaf(HF_CPUID_FEATURES).ecx);
	finding_is(f, back == (hypercall_page_hyperflush() | 1), "%#llx", (unsigned long long)back);
}

static void page_bad(struct conform *c, const void *row, struct finding *f)
{
	const u64 *bits = row;

	hf_enable();
	msr_write_faults(hf_leaf(HF_CPUID_FEATURES).ecx,
			 *bits ? hypercall_page_hyperflush() | *bits : c->edge.beyond | 1, f);
	if (rdmsr(hf_leaf(HF_CPUID_FEATURES).ecx) != (hypercall_page_hyperflush() | 1))
		finding_fail(f, "a refused write has changed the MSR");
}

static void next_msr(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	msr_read_faults(HF_MSR_HYPERCALL_PAGE + HF_MSR_COUNT, f);
}

/* M-CPUID-4 */
static void reserved_features(struct conform *c, const void *row, struct finding *f)
{
	u32 known = HF_FEATURE_FLUSH | HF_FEATURE_LOWER_HYPERV | HF_FEATURE_FENCE |
		    HF_FEATURE_DETACH | HF_FEATURE_STATE | HF_FEATURE_RING;
	u32 ebx = hf_leaf(HF_CPUID_FEATURES).ebx;

	(void)c, (void)row;
	finding_is(f, !(ebx & ~known), "features %#x", ebx);
}

/* M-CPUID-5: an MSR and the feature that brings it. */
struct hf_feature_msr {
	u32 msr, feature;
};

static void msr_not_offered(struct conform *c, const void *row, struct finding *f)
{
	const struct hf_feature_msr *m = row;

	(void)c;
	if (hf_leaf(HF_CPUID_FEATURES).ebx & m->feature)
		finding_skip(f, "it is offered");
	else
		msr_read_faults(m->msr, f);
}

#define UNOFFERED(name, m, bit)                                                        \
	{                                                                              \
		"msr.unoffered-" name, msr_not_offered, &(const struct hf_feature_msr) \
		{                                                                      \
			m, bit                                                         \
		}                                                                      \
	}

static const struct check checks[] = {
	HF_PLAIN("discovery.leaves", found_at),
	HF_PLAIN("discovery.version", version),
	HF_PLAIN("discovery.has-flush", features),
	HF_PLAIN("discovery.reserved-features", reserved_features),
	HF_PLAIN("discovery.lowering-has-hyperv", lowering),
	HF_PLAIN("discovery.limits", limits),
	HF_PLAIN("discovery.same-on-all-cpus", leaves_agree),
	HF_PLAIN("msr.page-reads-back", page_reads_back),
	HF_VALUE("msr.page-reserved-bit", page_bad, 3),
	HF_VALUE("msr.page-not-enabled", page_bad, 2),
	HF_VALUE("msr.page-beyond-ram", page_bad, 0),
	HF_VALUE("msr.page-unaligned", page_bad, 0x801),
	UNOFFERED("lazy-word", HF_MSR_LAZY_WORD, HF_FEATURE_DETACH),
	UNOFFERED("state", HF_MSR_STATE, HF_FEATURE_STATE),
	UNOFFERED("ring", HF_MSR_RING, HF_FEATURE_RING),
	HF_PLAIN("msr.next-is-nobodys", next_msr),
};

const struct check_table conform_hyperflush_discovery = {
	.abi = "hyperflush",
	.lacking = hf_lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
