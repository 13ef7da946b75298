/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of KVM's own paravirtual interface that its TLB flush needs, and the directed yield
 * (Linux asm/kvm_para.h, Documentation/virt/kvm/x86/hypercalls.rst).
 */
#ifndef HF_SHARED_KVM_ABI_H
#define HF_SHARED_KVM_ABI_H

#include <stdint.h>

#define KVM_PV_SIGNATURE	 "KVMKVMKVM\0\0" /* 12 bytes: EBX, ECX, EDX of base+0 */
#define KVM_PV_CPUID_FEATURES	 1u		 /* base+1, EAX */
#define KVM_PV_FEATURE_STEAL	 (1u << 5)
#define KVM_PV_FEATURE_TLB_FLUSH (1u << 9)
#define KVM_PV_FEATURE_YIELD	 (1u << 13) /* KVM_FEATURE_PV_SCHED_YIELD, Linux 5.3 */
#define KVM_PV_MSR_STEAL_TIME	 0x4b564d03u
#define KVM_PV_CALL_YIELD	 11u /* KVM_HC_SCHED_YIELD: RAX; the target's APIC id in RBX */

#define KVM_PV_PREEMPTED (1u << 0)
#define KVM_PV_FLUSH_TLB (1u << 1)

struct kvm_pv_steal_time {
	uint64_t steal;
	uint32_t version;
	uint32_t flags;
	uint8_t preempted;
	uint8_t pad8[3];
	uint32_t pad[11];
};

_Static_assert(sizeof(struct kvm_pv_steal_time) == 64, "KVM");
_Static_assert(__builtin_offsetof(struct kvm_pv_steal_time, preempted) == 16, "KVM");

#endif
