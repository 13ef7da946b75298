/* SPDX-License-Identifier: BSD-2-Clause */
/* Xen's HVMOP_flush_tlbs (xen/include/public/hvm/hvm_op.h): all vCPUs, everything. */
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/backend.h"
#include "guest/lib/print.h"
#include "shared/xen_abi.h"

static const char *probe(void)
{
	u32 base = hypervisor_base(XEN_SIGNATURE);

	if (!base)
		return "no Xen CPUID leaf";
	return cpuid(base + XEN_CPUID_PAGES, 0).eax ? NULL : "Xen without a hypercall page";
}

static void init(void)
{
	wrmsr(cpuid(hypervisor_base(XEN_SIGNATURE) + XEN_CPUID_PAGES, 0).ebx, hypercall_page_xen());
}

static void flush(const struct flush_request *req, const struct cpumask *remote)
{
	(void)req;
	u64 result = hypercall_xen(XEN_HVM_OP, XEN_HVMOP_FLUSH_TLBS, 0);

	if (result)
		panic("xen: flush of %u CPUs returned %ld", cpumask_weight(remote), (long)result);
	flush_cpu(cpu_id())->counters.hypercalls++;
}

const struct flush_backend flush_xen = {
	.id = HF_BACKEND_XEN,
	.name = "xen",
	.probe = probe,
	.init = init,
	.flush = flush,
};
