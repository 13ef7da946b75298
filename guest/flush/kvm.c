/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's own scheme (Linux kvm_flush_tlb_multi()): a vCPU whose steal-time
 * area says "preempted" gets the flush bit set there, and the host flushes
 * before it next enters; every other gets an interrupt.
 */
#include "guest/cpu/irq.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/backend.h"
#include "guest/lib/string.h"

/* Constant after boot. */
static struct {
	bool yields; /* the host has KVM_PV_CALL_YIELD */
	bool amd;    /* VMMCALL. The other one would be written over, in text that is read-only */
} kvm;

static void flush(const struct flush_request *req, const struct cpumask *remote)
{
	struct cpumask running = steal_leave_to_host(remote);

	if (cpumask_weight(&running))
		flush_by_ipi(req, &running);
}

static void yield_to(u32 cpu)
{
	u64 result = KVM_PV_CALL_YIELD, apic_id = cpu_by_id(cpu)->apic_id;

	if (!kvm.yields)
		return;
	if (kvm.amd)
		__asm__ volatile("vmmcall" : "+a"(result) : "b"(apic_id) : "memory");
	else
		__asm__ volatile("vmcall" : "+a"(result) : "b"(apic_id) : "memory");
	flush_cpu(cpu_id())->counters.hypercalls++;
}

static bool is_amd(void)
{
	struct cpuid r = cpuid(0, 0);
	u32 name[3] = { r.ebx, r.edx, r.ecx };

	return !memcmp(name, "AuthenticAMD", sizeof(name)) ||
	       !memcmp(name, "HygonGenuine", sizeof(name));
}

static void init(void)
{
	u32 base = hypervisor_base(KVM_PV_SIGNATURE);

	kvm.yields = cpuid(base + KVM_PV_CPUID_FEATURES, 0).eax & KVM_PV_FEATURE_YIELD;
	kvm.amd = is_amd();
	flush_ipi.init();
}

const struct flush_backend flush_kvm = {
	.id = HF_BACKEND_KVM,
	.name = "kvm",
	.probe = steal_probe,
	.init = init,
	.init_cpu = steal_init_cpu,
	.flush = flush,
	.yield_to = yield_to,
};
