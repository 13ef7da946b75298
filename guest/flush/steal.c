/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's steal-time area: the host says there that it has descheduled a vCPU, and takes from
 * there a flush that is due before it next enters it (Linux kvm_flush_tlb_multi()).
 */
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/backend.h"
#include "guest/mm/page.h"

const char *steal_probe(void)
{
	u32 base = hypervisor_base(KVM_PV_SIGNATURE);

	if (!base)
		return "no KVM CPUID leaf";
	u32 features = cpuid(base + KVM_PV_CPUID_FEATURES, 0).eax;

	if (!(features & KVM_PV_FEATURE_STEAL))
		return "KVM leaf without steal time";
	if (!(features & KVM_PV_FEATURE_TLB_FLUSH))
		return "KVM leaf without PV_TLB_FLUSH";
	return NULL;
}

void steal_init_cpu(void)
{
	wrmsr(KVM_PV_MSR_STEAL_TIME, virt_to_phys(&flush_cpu(cpu_id())->steal) | 1);
}

/*
 * True: the host will flush `cpu` before it next enters it. The host takes
 * the byte with an exchange: either it sees our bit, or the compare-and-swap
 * fails here and the CPU is flushed as one that runs.
 */
static bool leave_to_host(unsigned cpu)
{
	u8 *preempted = &flush_cpu(cpu)->steal.preempted;
	u8 state = __atomic_load_n(preempted, __ATOMIC_RELAXED);

	if (!(state & KVM_PV_PREEMPTED))
		return false;
	return __atomic_compare_exchange_n(preempted, &state, state | KVM_PV_FLUSH_TLB, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

struct cpumask steal_leave_to_host(const struct cpumask *remote)
{
	struct cpumask running = *remote;
	for_each_cpu (cpu, remote) {
		if (leave_to_host(cpu)) {
			cpumask_clear(&running, cpu);
			flush_cpu(cpu_id())->counters.skipped++;
		}
	}
	return running;
}
