/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of the Hyper-V interface (TLFS) that remote flushes need. */
#ifndef HF_SHARED_HYPERV_ABI_H
#define HF_SHARED_HYPERV_ABI_H

#include <stdint.h>

#define HV_CPUID_VENDOR	   0x40000000u
#define HV_CPUID_INTERFACE 0x40000001u
#define HV_CPUID_VERSION   0x40000002u
#define HV_CPUID_FEATURES  0x40000003u
#define HV_CPUID_ENLIGHT   0x40000004u
#define HV_CPUID_LIMITS	   0x40000005u
#define HV_INTERFACE_HV1   0x31237648u /* "Hv#1" in EAX of HV_CPUID_INTERFACE */

#define HV_FEATURE_A_HYPERCALL_MSRS (1u << 5)
#define HV_FEATURE_A_VP_INDEX	    (1u << 6)
#define HV_FEATURE_D_XMM_INPUT	    (1u << 4)
#define HV_FEATURE_D_EXT_RANGES	    (1u << 14)
#define HV_ENLIGHT_A_REMOTE_FLUSH   (1u << 2)
#define HV_ENLIGHT_A_EX_MASKS	    (1u << 11)

#define HV_MSR_GUEST_OS_ID 0x40000000u
#define HV_MSR_HYPERCALL   0x40000001u
#define HV_MSR_VP_INDEX	   0x40000002u

#define HV_CALL_FLUSH_SPACE    0x0002u
#define HV_CALL_FLUSH_LIST     0x0003u
#define HV_CALL_FLUSH_SPACE_EX 0x0013u
#define HV_CALL_FLUSH_LIST_EX  0x0014u

#define HV_CONTROL_VAR_SHIFT 17 /* 64-bit words of variable header */
#define HV_CONTROL_REP_SHIFT 32 /* repetitions */
#define HV_STATUS_MASK	     0xffffu

#define HV_FLUSH_ALL_PROCESSORS	 (1u << 0)
#define HV_FLUSH_ALL_SPACES	 (1u << 1)
#define HV_FLUSH_NON_GLOBAL_ONLY (1u << 2)
#define HV_GENERIC_SET_SPARSE_4K 0u
#define HV_GENERIC_SET_ALL	 1u
#define HV_GVA_MAX_EXTRA_PAGES	 4095u /* low 12 bits of a list entry: pages beyond the first */

struct hv_tlb_flush {
	uint64_t address_space;
	uint64_t flags;
	uint64_t processor_mask;
	uint64_t gva[];
};

struct hv_tlb_flush_ex {
	uint64_t address_space;
	uint64_t flags;
	uint64_t format;
	uint64_t valid_bank_mask;
	uint64_t words[]; /* packed banks, then the list of GVAs */
};

_Static_assert(sizeof(struct hv_tlb_flush) == 24, "TLFS");
_Static_assert(sizeof(struct hv_tlb_flush_ex) == 32, "TLFS");

#endif
