/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush backends: one list, from which the host's --flush values, the
 * guest's backend table and the names in results follow.
 *
 * X(id, "name", "what it is")
 */
#ifndef HF_SHARED_BACKENDS_H
#define HF_SHARED_BACKENDS_H

#define HF_BACKENDS(X)                                                                \
	X(NONE, "none", "no remote flush: negative control, tests must fail with it") \
	X(KICK, "kick", "IPI that flushes nothing: negative control")                 \
	X(IPI, "ipi", "x2APIC IPI in cluster mode, acknowledged")                     \
	X(KVM, "kvm", "IPI, or the steal-time flush bit for preempted vCPUs")         \
	X(HYPERV, "hyperv", "Hyper-V flush hypercalls, served inside KVM")            \
	X(XEN, "xen", "HVMOP_flush_tlbs")                                             \
	X(HYPERFLUSH, "hyperflush", "the hyperflush ABI, served by the VMM")          \
	X(LOWERED, "lowered", "hyperflush, lowered to Hyper-V where the VMM says so") \
	X(ELIDED, "elided", "hyperflush, or the steal-time flush bit for preempted vCPUs")

enum hf_backend {
#define HF_BACKEND_ENUM(id, name, what) HF_BACKEND_##id,
	HF_BACKENDS(HF_BACKEND_ENUM)
#undef HF_BACKEND_ENUM
		HF_BACKEND_COUNT
};

#endif
