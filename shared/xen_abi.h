/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of the Xen interface (xen/include/public) that its TLB flush needs. */
#ifndef HF_SHARED_XEN_ABI_H
#define HF_SHARED_XEN_ABI_H

#include <stdint.h>

#define XEN_SIGNATURE	  "XenVMMXenVMM" /* 12 bytes: EBX, ECX, EDX of base+0 */
#define XEN_CPUID_VERSION 1u		 /* EAX major << 16 | minor */
#define XEN_CPUID_PAGES	  2u		 /* EAX hypercall pages, EBX index of their MSR */

#define XEN_HYPERCALL_STUB_BYTES 32u /* one call's stub in the hypercall page */
#define XEN_HVM_OP		 34u /* __HYPERVISOR_hvm_op: RDI op, RSI argument */
#define XEN_HVMOP_FLUSH_TLBS	 5u  /* argument must be NULL: flushes all vCPUs, everything */

#define XEN_MEMORY_OP  12u /* __HYPERVISOR_memory_op: RDI op, RSI argument */
#define XEN_MEMORY_MAP 9u  /* XENMEM_memory_map; in and out: struct xen_memory_map */

struct xen_memmap_entry {
	uint64_t addr, size;
	uint32_t type; /* as PVH's */
} __attribute__((packed));

struct xen_memory_map {
	uint32_t count; /* in: entries there is room for; out: entries there are */
	uint32_t reserved;
	uint64_t entries; /* linear address */
};

_Static_assert(sizeof(struct xen_memmap_entry) == 20, "Xen");
_Static_assert(sizeof(struct xen_memory_map) == 16, "Xen");

#define XEN_ENOSYS 38
#define XEN_EINVAL 22
#define XEN_EPERM  1

#endif
