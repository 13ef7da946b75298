/* SPDX-License-Identifier: BSD-2-Clause */
#include "cpuid.h"

#include <stddef.h>
#include <string.h>

#include "service.h"
#include "shared/backends.h"
#include "shared/hyperflush_abi.h"
#include "shared/hyperv_abi.h"
#include "shared/kvm_abi.h"
#include "shared/xen_abi.h"

#define HYPERVISOR_BASE	  0x40000000u
#define HYPERVISOR_MASK	  0xf0000000u
#define HYPERVISOR_STRIDE 0x100u

/* Leaf 1 (SDM vol 2A, CPUID; APM vol 3, E.3.2). */
#define LEAF1_EBX_COUNT_SHIFT  16
#define LEAF1_EBX_ID_SHIFT     24
#define LEAF1_ECX_MONITOR      (1u << 3)
#define LEAF1_ECX_VMX	       (1u << 5)
#define LEAF1_ECX_X2APIC       (1u << 21)
#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_HYPERVISOR   (1u << 31)
#define LEAF1_EDX_HTT	       (1u << 28)

#define LEAF_MONITOR		  0x05u
#define LEAF_EXTENDED		  0x07u
#define LEAF_EXTENDED_ECX_LA57	  (1u << 16)
#define LEAF_TOPOLOGY		  0x0bu
#define LEAF_TSC		  0x15u
#define LEAF_TOPOLOGY_V2	  0x1fu
#define LEAF_AMD_FEATURES	  0x80000001u
#define LEAF_AMD_FEATURES_ECX_SVM (1u << 2)
#define LEAF_AMD_CORES		  0x80000008u
#define LEAF_AMD_TOPOLOGY	  0x8000001eu
#define LEAF_AMD_EXT_TOPO	  0x80000026u
#define LEVEL_SMT		  1u
#define LEVEL_CORE		  2u

#define DEFAULT_PHYS_BITS 36u /* SDM vol 3A 4.1.4, without leaf 0x80000008 */

#define APIC_TIMER_HZ 1000000000u /* KVM counts its APIC timers in nanoseconds */

#define XEN_VERSION ((4u << 16) | 17u)

struct builder {
	struct cpuid_table *out;
	bool full;
};

static void append(struct builder *b, struct kvm_cpuid_entry2 entry)
{
	if (b->out->count == CPUID_MAX_ENTRIES)
		b->full = true;
	else
		b->out->entries[b->out->count++] = entry;
}

const struct kvm_cpuid_entry2 *cpuid_find(const struct cpuid_table *table, uint32_t function,
					  uint32_t index)
{
	for (unsigned i = 0; i < table->count; i++) {
		const struct kvm_cpuid_entry2 *e = &table->entries[i];

		if (e->function != function)
			continue;
		if (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index)
			return e;
	}
	return NULL;
}

unsigned cpuid_phys_bits(const struct cpuid_table *host)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(host, LEAF_AMD_CORES, 0);

	return e ? e->eax & 0xff : DEFAULT_PHYS_BITS;
}

unsigned cpuid_id_bits(unsigned vcpus)
{
	unsigned bits = 0;

	while ((1u << bits) < vcpus)
		bits++;
	return bits;
}

static uint32_t at_most(uint32_t value, uint32_t max)
{
	return value < max ? value : max;
}

static void patch_leaf1(struct kvm_cpuid_entry2 *e, const struct cpuid_shape *shape)
{
	e->ebx &= 0xffffu;
	e->ebx |= at_most(shape->vcpus, 255) << LEAF1_EBX_COUNT_SHIFT;
	e->ebx |= (shape->index & 0xffu) << LEAF1_EBX_ID_SHIFT;
	/* No nested guests: a flush of the service would reach only the inner one's translations.
	 */
	e->ecx &= ~(LEAF1_ECX_MONITOR | LEAF1_ECX_TSC_DEADLINE | LEAF1_ECX_VMX);
	e->ecx |= LEAF1_ECX_X2APIC | LEAF1_ECX_HYPERVISOR;
	if (shape->tsc_deadline)
		e->ecx |= LEAF1_ECX_TSC_DEADLINE;
	e->edx &= ~LEAF1_EDX_HTT;
	if (shape->vcpus > 1)
		e->edx |= LEAF1_EDX_HTT;
}

/* Leaf 4, Intel: bits 25:14 threads that share the cache, 31:26 cores in the package; both minus 1.
 */
static void patch_cache(struct kvm_cpuid_entry2 *e, const struct cpuid_shape *shape)
{
	unsigned level = (e->eax >> 5) & 7;
	uint32_t sharing = level >= 3 ? at_most(shape->vcpus - 1, 0xfff) : 0;

	if (!(e->eax & 0x1f))
		return; /* no more caches */
	e->eax &= 0x3fffu;
	e->eax |= sharing << 14 | at_most(shape->vcpus - 1, 0x3f) << 26;
}

static void patch(struct kvm_cpuid_entry2 *e, const struct cpuid_shape *shape)
{
	switch (e->function) {
	case 0:
		if (e->eax < (shape->tsc_khz ? LEAF_TSC : LEAF_TOPOLOGY))
			e->eax = shape->tsc_khz ? LEAF_TSC : LEAF_TOPOLOGY;
		break;
	case 1:
		patch_leaf1(e, shape);
		break;
	case LEAF_EXTENDED:
		if (!e->index)
			e->ecx &= ~LEAF_EXTENDED_ECX_LA57; /* ranges are checked against 48 bits */
		break;
	case LEAF_AMD_FEATURES:
		e->ecx &= ~LEAF_AMD_FEATURES_ECX_SVM;
		break;
	case 4:
		patch_cache(e, shape);
		break;
	case LEAF_MONITOR:
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case LEAF_AMD_CORES: /* ECX 7:0 cores minus 1, 15:12 bits of an APIC id (APM vol 3, E.4.7)
			      */
		e->ecx &= ~0xf0ffu;
		e->ecx |= at_most(shape->vcpus - 1, 0xff) | cpuid_id_bits(shape->vcpus) << 12;
		break;
	case LEAF_AMD_TOPOLOGY: /* EAX APIC id, EBX 7:0 core, 15:8 threads a core minus 1, ECX node
				 */
		e->eax = shape->index;
		e->ebx = shape->index & 0xffu;
		e->ecx = 0;
		break;
	default:
		break;
	}
}

/* What KVM reports of the host there would be wrong for the guest; our own entries replace it. */
static bool is_replaced(uint32_t function)
{
	return function == LEAF_TOPOLOGY || function == LEAF_TOPOLOGY_V2 || function == LEAF_TSC ||
	       function == LEAF_AMD_EXT_TOPO || (function & HYPERVISOR_MASK) == HYPERVISOR_BASE;
}

static void append_topology(struct builder *b, uint32_t function, const struct cpuid_shape *shape)
{
	const struct kvm_cpuid_entry2 levels[] = {
		{ .eax = 0, .ebx = 1, .ecx = LEVEL_SMT << 8 },
		{ .eax = cpuid_id_bits(shape->vcpus), .ebx = shape->vcpus, .ecx = LEVEL_CORE << 8 },
		{ .ecx = 0 },
	};

	for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct kvm_cpuid_entry2 e = levels[i];

		e.function = function;
		e.index = i;
		e.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		e.ecx |= i;
		e.edx = shape->index;
		append(b, e);
	}
}

/* TSC frequency = ECX * EBX / EAX; ECX is the clock of the APIC timer (SDM vol 3A 11.5.4). */
static void append_tsc(struct builder *b, uint32_t khz)
{
	append(b, (struct kvm_cpuid_entry2){ .function = LEAF_TSC,
					     .eax = APIC_TIMER_HZ / 1000,
					     .ebx = khz,
					     .ecx = APIC_TIMER_HZ });
}

static void append_signature(struct builder *b, uint32_t base, uint32_t last, const char *signature)
{
	struct kvm_cpuid_entry2 e = { .function = base, .eax = base + last };

	memcpy(&e.ebx, signature, sizeof(e.ebx));
	memcpy(&e.ecx, signature + 4, sizeof(e.ecx));
	memcpy(&e.edx, signature + 8, sizeof(e.edx));
	append(b, e);
}

/* Only what remote flushes need; with KVM_CAP_HYPERV_ENFORCE_CPUID nothing else works. */
static void append_hyperv(struct builder *b, const struct cpuid_table *hv)
{
	for (uint32_t leaf = HV_CPUID_VENDOR; leaf <= HV_CPUID_LIMITS; leaf++) {
		const struct kvm_cpuid_entry2 *host = cpuid_find(hv, leaf, 0);
		struct kvm_cpuid_entry2 e = { .function = leaf };

		if (host)
			e = *host;
		if (leaf == HV_CPUID_VENDOR)
			e.eax = HV_CPUID_LIMITS;
		if (leaf == HV_CPUID_FEATURES) {
			e.eax &= HV_FEATURE_A_HYPERCALL_MSRS | HV_FEATURE_A_VP_INDEX;
			e.ebx = e.ecx = 0;
			e.edx &= HV_FEATURE_D_XMM_INPUT | HV_FEATURE_D_EXT_RANGES;
		}
		if (leaf == HV_CPUID_ENLIGHT)
			e.eax &= HV_ENLIGHT_A_REMOTE_FLUSH | HV_ENLIGHT_A_EX_MASKS;
		append(b, e);
	}
}

static void append_hyperflush(struct builder *b, uint32_t base, bool lowered)
{
	append_signature(b, base, HF_CPUID_MAX, HF_SIGNATURE);
	append(b, (struct kvm_cpuid_entry2){
			  .function = base + HF_CPUID_FEATURES,
			  .eax = HF_VERSION,
			  .ebx = HF_FEATURE_FLUSH | HF_FEATURE_FENCE | HF_FEATURE_DETACH |
				 HF_FEATURE_STATE | HF_FEATURE_RING |
				 (lowered ? HF_FEATURE_LOWER_HYPERV : 0),
			  .ecx = HF_MSR_HYPERCALL_PAGE,
		  });
	append(b, (struct kvm_cpuid_entry2){
			  .function = base + HF_CPUID_LIMITS,
			  .eax = HF_MAX_VCPUS,
			  .ebx = HF_MAX_RANGES,
			  .ecx = HF_MAX_REQUEST_BYTES,
			  .edx = DOORBELL_PORT,
		  });
}

/* Where Xen's hypercalls are on, KVM takes every call for one of them: no yield. */
static void append_kvm(struct builder *b, uint32_t base, bool xen)
{
	append_signature(b, base, KVM_PV_CPUID_FEATURES, KVM_PV_SIGNATURE);
	append(b, (struct kvm_cpuid_entry2){
			  .function = base + KVM_PV_CPUID_FEATURES,
			  .eax = KVM_PV_FEATURE_STEAL | KVM_PV_FEATURE_TLB_FLUSH |
				 (xen ? 0 : KVM_PV_FEATURE_YIELD),
		  });
}

static void append_xen(struct builder *b, uint32_t base)
{
	append_signature(b, base, XEN_CPUID_PAGES, XEN_SIGNATURE);
	append(b, (struct kvm_cpuid_entry2){ .function = base + XEN_CPUID_VERSION,
					     .eax = XEN_VERSION });
	append(b, (struct kvm_cpuid_entry2){
			  .function = base + XEN_CPUID_PAGES, .eax = 1, .ebx = XEN_HYPERCALL_MSR });
}

/* Each interface at a base of its own. Hyper-V first: KVM looks for it at 0x40000000 only. */
static void append_hypervisor(struct builder *b, const struct cpuid_table *hv, uint32_t advertised)
{
	uint32_t base = HYPERVISOR_BASE;

	if (advertised & (1u << HF_BACKEND_HYPERV)) {
		append_hyperv(b, hv);
		base += HYPERVISOR_STRIDE;
	}
	if (advertised & (1u << HF_BACKEND_HYPERFLUSH)) {
		append_hyperflush(b, base, advertised & (1u << HF_BACKEND_LOWERED));
		base += HYPERVISOR_STRIDE;
	}
	if (advertised & (1u << HF_BACKEND_XEN)) {
		append_xen(b, base);
		base += HYPERVISOR_STRIDE;
	}
	if (advertised & (1u << HF_BACKEND_KVM)) {
		append_kvm(b, base, advertised & (1u << HF_BACKEND_XEN));
		base += HYPERVISOR_STRIDE;
	}
	/* Without an entry KVM would answer with the highest basic leaf, as Intel's CPUs do. */
	if (base == HYPERVISOR_BASE)
		append(b, (struct kvm_cpuid_entry2){ .function = base, .eax = base });
}

bool cpuid_build(const struct cpuid_table *host, const struct cpuid_table *hv,
		 const struct cpuid_shape *shape, struct cpuid_table *out)
{
	struct builder b = { .out = out };
	uint32_t highest = LEAF_TOPOLOGY;

	out->count = 0;
	for (unsigned i = 0; i < host->count; i++) {
		struct kvm_cpuid_entry2 e = host->entries[i];

		if (is_replaced(e.function))
			continue;
		if (e.function == 0 && e.eax > highest)
			highest = e.eax;
		patch(&e, shape);
		append(&b, e);
	}
	append_topology(&b, LEAF_TOPOLOGY, shape);
	if (highest >= LEAF_TOPOLOGY_V2)
		append_topology(&b, LEAF_TOPOLOGY_V2, shape);
	if (shape->tsc_khz)
		append_tsc(&b, shape->tsc_khz);
	append_hypervisor(&b, hv, shape->advertised);
	return !b.full;
}
