/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls the VMM serves: from a vCPU's exit through the decoder to the
 * flush service. A guest's mistake ends in its result register and a
 * counter; the functions return 0, or -errno for a failure of the host.
 */
#ifndef HF_VMM_SERVICE_H
#define HF_VMM_SERVICE_H

#include "vcpu.h"

/* The port behind the hypercall page; guests learn it from the page's code only. */
#define SERVICE_PORT 0x9cu

/* A 32-bit OUT rings the doorbell, inside KVM; guests learn it from CPUID. */
#define DOORBELL_PORT 0x98u

/* A 32-bit OUT to SERVICE_PORT. */
int service_hyperflush(struct vcpu *v);

/* KVM_EXIT_XEN, type KVM_EXIT_XEN_HCALL. */
int service_xen(struct vcpu *v);

/* KVM_EXIT_X86_WRMSR and KVM_EXIT_X86_RDMSR of the HF_MSR_*. */
int service_wrmsr(struct vcpu *v);
int service_rdmsr(struct vcpu *v);

#endif
