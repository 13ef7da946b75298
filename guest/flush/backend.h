/* SPDX-License-Identifier: BSD-2-Clause */
/* What the backends share among themselves. */
#ifndef GUEST_FLUSH_BACKEND_H
#define GUEST_FLUSH_BACKEND_H

#include "guest/flush/flush.h"
#include "shared/hyperflush_abi.h"
#include "shared/kvm_abi.h"

#define FLUSH_INPUT_BYTES 2048u

/* One page a CPU; a hypercall's input must not cross a page. */
struct flush_cpu {
	_Alignas(FLUSH_INPUT_BYTES)
		u8 input[FLUSH_INPUT_BYTES]; /* its own hypercall requests; preemption off */
	_Alignas(64) struct kvm_pv_steal_time steal;
	_Alignas(64) struct hf_vcpu_state state; /* hyperflush: the host writes it */
	/* ipi: bit i: CPU i wants this CPU to carry out flush_cpu(i)->request. */
	_Alignas(64) u64 inbox[CPUMASK_WORDS];
	_Alignas(64) const struct flush_request *request; /* what this CPU asked of others */
	u64 unacknowledged;				  /* targets that have not carried it out */
	_Alignas(64) struct flush_counters counters;
	u32 vp_index; /* hyperv */
};

_Static_assert(sizeof(struct flush_cpu) <= 4096, "one page");

struct flush_cpu *flush_cpu(unsigned cpu);

/* Sends VECTOR_FLUSH to `remote` in x2APIC cluster mode and waits until each has acknowledged. */
void flush_by_ipi(const struct flush_request *req, const struct cpumask *remote);

/* NULL if the host has KVM's steal time with flushes (steal.c), else the reason why not. */
const char *steal_probe(void);
/* Each CPU, where steal_probe() has found it. */
void steal_init_cpu(void);
/*
 * Flags those of `remote` that the host says it has descheduled, at an instruction's boundary: it
 * flushes them wholly before it next enters them. The others. The page-table stores are globally
 * visible. Preemption is off.
 */
struct cpumask steal_leave_to_host(const struct cpumask *remote);

/*
 * hyperflush: builds a `flush` request for `remote` in this CPU's input page. Its length in bytes.
 * Preemption is off.
 */
u64 hyperflush_request(const struct flush_request *req, const struct cpumask *remote);

/* Base of the hypervisor leaves with this 12-byte signature, or 0. */
u32 hypervisor_base(const char *signature);

/*
 * Calls through a hypercall page. RAX in and out; the other arguments go in
 * the registers of the ABI concerned. All caller-saved registers may change.
 */
u64 hypercall_hyperv(u64 control, u64 input_gpa, u64 output_gpa);
u64 hypercall_xen(u64 nr, u64 a1, u64 a2);
u64 hypercall_hyperflush(u64 nr, u64 gpa, u64 len);

/* Physical addresses of the three code pages, to be registered with the host. */
u64 hypercall_page_hyperv(void);
u64 hypercall_page_xen(void);
u64 hypercall_page_hyperflush(void);

extern const struct flush_backend flush_none, flush_kick, flush_ipi, flush_kvm, flush_hyperv,
	flush_xen, flush_hyperflush, flush_lowered, flush_elided;

#endif
