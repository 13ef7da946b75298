/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls through the hypercall pages, and the search for hypervisor leaves. */
#include "guest/cpu/msr.h"
#include "guest/flush/backend.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"
#include "shared/xen_abi.h"

#define LEAF_FIRST 0x40000000u
#define LEAF_LAST  0x40010000u
#define LEAF_STEP  0x100u

extern char hypercall_code_hyperv[], hypercall_code_xen[], hypercall_code_hyperflush[];

u32 hypervisor_base(const char *signature)
{
	if (!(cpuid(1, 0).ecx & (1u << 31)))
		return 0;
	for (u32 base = LEAF_FIRST; base < LEAF_LAST; base += LEAF_STEP) {
		struct cpuid r = cpuid(base, 0);
		u32 words[3] = { r.ebx, r.ecx, r.edx };

		if (!memcmp(words, signature, sizeof(words)))
			return base;
	}
	return 0;
}

u64 hypercall_page_hyperv(void)
{
	return virt_to_phys(hypercall_code_hyperv);
}

u64 hypercall_page_xen(void)
{
	return virt_to_phys(hypercall_code_xen);
}

u64 hypercall_page_hyperflush(void)
{
	return virt_to_phys(hypercall_code_hyperflush);
}

/* TLFS 3.7: RCX control, RDX input, R8 output, RAX result. */
u64 hypercall_hyperv(u64 control, u64 input_gpa, u64 output_gpa)
{
	register u64 r8 __asm__("r8") = output_gpa;
	u64 result;

	__asm__ volatile("call *%[code]"
			 : "=a"(result), "+c"(control), "+d"(input_gpa), "+r"(r8)
			 : [code] "r"(hypercall_code_hyperv)
			 : "r9", "r10", "r11", "memory", "cc");
	return result;
}

/* xen/include/public/arch-x86/xen-x86_64.h: RAX number, RDI, RSI, result in RAX. */
u64 hypercall_xen(u64 nr, u64 a1, u64 a2)
{
	u64 result;

	__asm__ volatile("call *%[code]"
			 : "=a"(result), "+D"(a1), "+S"(a2)
			 : [code] "r"(hypercall_code_xen + nr * XEN_HYPERCALL_STUB_BYTES)
			 : "rcx", "r11", "memory", "cc");
	return result;
}

/* shared/hyperflush_abi.h: RAX number, RDI gpa, RSI length, result in RAX. */
u64 hypercall_hyperflush(u64 nr, u64 gpa, u64 len)
{
	__asm__ volatile("call *%[code]"
			 : "+a"(nr)
			 : [code] "r"(hypercall_code_hyperflush), "D"(gpa), "S"(len)
			 : "memory", "cc");
	return nr;
}
