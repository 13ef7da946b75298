/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/boot/xen_memmap.h"
#include "guest/cpu/msr.h"
#include "guest/flush/backend.h"
#include "guest/lib/print.h"

u32 xen_memory_map(struct xen_memmap_entry *map, u32 max)
{
	struct xen_memory_map request = { .count = max, .entries = (u64)map };
	u32 base = hypervisor_base(XEN_SIGNATURE);
	s64 result;

	if (!base)
		panic("boot: the loader gives no memory map, and this is not Xen");
	wrmsr(cpuid(base + XEN_CPUID_PAGES, 0).ebx, hypercall_page_xen());
	result = (s64)hypercall_xen(XEN_MEMORY_OP, XEN_MEMORY_MAP, (u64)&request);
	if (result || request.count > max)
		panic("boot: Xen's memory map: result %lld, %u entries", (long long)result,
		      request.count);
	return request.count;
}
