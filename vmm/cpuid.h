/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's CPUID: pure functions from what KVM supports and the machine's
 * shape to the entries for KVM_SET_CPUID2.
 */
#ifndef HF_VMM_CPUID_H
#define HF_VMM_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define CPUID_MAX_ENTRIES 256u /* KVM_MAX_CPUID_ENTRIES (Linux arch/x86/include/asm/kvm_host.h) */

#define XEN_HYPERCALL_MSR 0x40000200u /* apart from Hyper-V's, which start at 0x40000000 */

struct cpuid_table {
	struct kvm_cpuid_entry2 *entries;
	unsigned count;
};

struct cpuid_shape {
	unsigned vcpus;
	unsigned index;	     /* this vCPU's; also its x2APIC id */
	uint32_t advertised; /* 1u << enum hf_backend: interfaces to offer */
	bool tsc_deadline;   /* KVM_CAP_TSC_DEADLINE_TIMER */
	uint32_t tsc_khz;    /* KVM_GET_TSC_KHZ; 0: not known */
};

/* The entry for a leaf, or NULL. `index` counts only where the entry says so. */
const struct kvm_cpuid_entry2 *cpuid_find(const struct cpuid_table *table, uint32_t function,
					  uint32_t index);

/*
 * Topology: one thread a core, one package, x2APIC id = index. Fills
 * out->entries (room for CPUID_MAX_ENTRIES) and out->count. `host` and
 * `hv` are KVM's supported leaves; hv may be empty unless Hyper-V is
 * advertised. False if the entries do not fit.
 */
bool cpuid_build(const struct cpuid_table *host, const struct cpuid_table *hv,
		 const struct cpuid_shape *shape, struct cpuid_table *out);

/* Bits of a guest-physical address, which the guest is told unchanged: KVM takes no CR3 beyond. */
unsigned cpuid_phys_bits(const struct cpuid_table *host);

/* Bits that hold the ids 0 to vcpus-1. */
unsigned cpuid_id_bits(unsigned vcpus);

#endif
