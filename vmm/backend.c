/* SPDX-License-Identifier: BSD-2-Clause */
#include "backend.h"

#include <stddef.h>
#include <string.h>

#include "shared/hyperv_abi.h"
#include "shared/kvm_abi.h"

#define BIT(backend) (1u << HF_BACKEND_##backend)
#define ANY	     UINT32_MAX

#define KVM_CPUID_BASE	    0x40000000u /* where KVM reports its own leaves */
#define HV_PLAIN_MASK_VCPUS 64u		/* vCPUs a non-EX Hyper-V call can name */

enum source {
	FROM_CAP,      /* `which`: KVM_CAP_*; its value must have all of `bits`, or be non-zero */
	FROM_CPUID,    /* `which`: leaf of KVM_GET_SUPPORTED_CPUID, EAX */
	FROM_HV_CPUID, /* `which`: leaf of KVM_GET_SUPPORTED_HV_CPUID, EAX */
	FROM_MEMBARRIER,
};

struct requirement {
	uint32_t interfaces; /* that need it */
	unsigned beyond;     /* only for machines with more vCPUs than that */
	enum source source;
	uint32_t which, bits;
	const char *lacking;
};

/* In order of the message wanted when several are missing. */
static const struct requirement requirements[] = {
	{ ANY, 0, FROM_CAP, KVM_CAP_USER_MEMORY, 0, "KVM_CAP_USER_MEMORY" },
	{ ANY, 0, FROM_CAP, KVM_CAP_IRQCHIP, 0, "KVM_CAP_IRQCHIP" },
	{ ANY, 0, FROM_CAP, KVM_CAP_EXT_CPUID, 0, "KVM_CAP_EXT_CPUID" },
	{ ANY, 0, FROM_CAP, KVM_CAP_SYNC_REGS, KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS,
	  "KVM_CAP_SYNC_REGS for REGS and SREGS (Linux 4.17)" },
	{ ANY, 0, FROM_CAP, KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS,
	  "KVM_CAP_X2APIC_API (Linux 4.8)" },
	{ ANY, 0, FROM_CAP, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 0,
	  "KVM_CAP_ENFORCE_PV_FEATURE_CPUID (Linux 5.10)" },
	{ ANY, 0, FROM_MEMBARRIER, 0, 0, "membarrier(PRIVATE_EXPEDITED) (CONFIG_MEMBARRIER)" },

	{ BIT(KVM), 0, FROM_CPUID, KVM_CPUID_BASE + KVM_PV_CPUID_FEATURES,
	  KVM_PV_FEATURE_STEAL | KVM_PV_FEATURE_TLB_FLUSH,
	  "KVM's steal time or PV TLB flush in its CPUID" },

	{ BIT(HYPERV), 0, FROM_CAP, KVM_CAP_HYPERV_TLBFLUSH, 0,
	  "KVM_CAP_HYPERV_TLBFLUSH (Linux 4.18, CONFIG_KVM_HYPERV)" },
	{ BIT(HYPERV), 0, FROM_CAP, KVM_CAP_HYPERV_ENFORCE_CPUID, 0,
	  "KVM_CAP_HYPERV_ENFORCE_CPUID (Linux 5.14)" },
	{ BIT(HYPERV), 0, FROM_HV_CPUID, HV_CPUID_FEATURES,
	  HV_FEATURE_A_HYPERCALL_MSRS | HV_FEATURE_A_VP_INDEX,
	  "Hyper-V's hypercall or VP index MSR in KVM_GET_SUPPORTED_HV_CPUID" },
	{ BIT(HYPERV), 0, FROM_HV_CPUID, HV_CPUID_ENLIGHT, HV_ENLIGHT_A_REMOTE_FLUSH,
	  "Hyper-V's remote flush in KVM_GET_SUPPORTED_HV_CPUID" },
	{ BIT(HYPERV), HV_PLAIN_MASK_VCPUS, FROM_HV_CPUID, HV_CPUID_ENLIGHT, HV_ENLIGHT_A_EX_MASKS,
	  "Hyper-V's EX masks, which more than 64 vCPUs need" },

	{ BIT(XEN), 0, FROM_CAP, KVM_CAP_XEN_HVM, KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
	  "KVM_CAP_XEN_HVM with hypercall interception (CONFIG_KVM_XEN)" },

	{ BIT(HYPERFLUSH), 0, FROM_CAP, KVM_CAP_X86_USER_SPACE_MSR, 0,
	  "KVM_CAP_X86_USER_SPACE_MSR (Linux 5.10)" },
	{ BIT(HYPERFLUSH), 0, FROM_CAP, KVM_CAP_X86_MSR_FILTER, 0,
	  "KVM_CAP_X86_MSR_FILTER (Linux 5.10)" },
};

static const struct {
	const char *name, *what;
} backends[] = {
#define BACKEND_TEXT(id, text, about) [HF_BACKEND_##id] = { .name = text, .what = about },
	HF_BACKENDS(BACKEND_TEXT)
#undef BACKEND_TEXT
		[HF_BACKEND_COUNT] = { .name = "auto", .what = "the best that the host offers" },
};

const char *backend_name(unsigned backend)
{
	return backends[backend].name;
}

const char *backend_what(unsigned backend)
{
	return backends[backend].what;
}

int backend_by_name(const char *name)
{
	for (unsigned i = 0; i <= HF_BACKEND_COUNT; i++)
		if (!strcmp(backends[i].name, name))
			return (int)i;
	return -1;
}

uint32_t backend_interfaces(enum hf_backend backend)
{
	switch (backend) {
	case HF_BACKEND_KVM:
	case HF_BACKEND_HYPERV:
	case HF_BACKEND_XEN:
	case HF_BACKEND_HYPERFLUSH:
		return 1u << backend;
	case HF_BACKEND_LOWERED:
		return BIT(LOWERED) | BIT(HYPERFLUSH) | BIT(HYPERV);
	case HF_BACKEND_ELIDED:
		return BIT(HYPERFLUSH) | BIT(KVM);
	default:
		return 0;
	}
}

static bool met(const struct kvm *k, const struct requirement *r)
{
	const struct kvm_cpuid_entry2 *e;
	uint32_t value = 0;

	switch (r->source) {
	case FROM_CAP:
		value = kvm_cap(k, r->which);
		break;
	case FROM_MEMBARRIER:
		value = k->membarrier;
		break;
	case FROM_CPUID:
	case FROM_HV_CPUID:
		e = cpuid_find(r->source == FROM_CPUID ? &k->host : &k->hv, r->which, 0);
		value = e ? e->eax : 0;
		break;
	}
	return r->bits ? (value & r->bits) == r->bits : value != 0;
}

const char *backend_lacking(const struct kvm *k, uint32_t interfaces, unsigned vcpus)
{
	for (size_t i = 0; i < sizeof(requirements) / sizeof(requirements[0]); i++) {
		const struct requirement *r = &requirements[i];

		if (r->interfaces != ANY && !(r->interfaces & interfaces))
			continue;
		if (vcpus > r->beyond && !met(k, r))
			return r->lacking;
	}
	return NULL;
}

uint32_t backend_auto_interfaces(const struct kvm *k, unsigned vcpus)
{
	uint32_t all = 0;

	if (k->nested_paging && !backend_lacking(k, BIT(HYPERV), vcpus))
		all |= BIT(HYPERV);
	if (!backend_lacking(k, BIT(HYPERFLUSH), vcpus))
		all |= BIT(HYPERFLUSH);
	if (!backend_lacking(k, BIT(KVM), vcpus))
		all |= BIT(KVM);
	if ((all & BIT(HYPERV)) && (all & BIT(HYPERFLUSH)))
		all |= BIT(LOWERED);
	return all;
}

enum hf_backend backend_preferred(uint32_t interfaces)
{
	static const enum hf_backend order[] = { HF_BACKEND_HYPERV, HF_BACKEND_HYPERFLUSH,
						 HF_BACKEND_KVM };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (interfaces & (1u << order[i]))
			return order[i];
	return HF_BACKEND_IPI;
}
