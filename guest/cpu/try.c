/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses that may fault: the trap handler finds them in .extable, sets R11 and goes on at 2. */
#include "guest/cpu/trap.h"

#define FALLIBLE(insn)                   \
	"1: " insn "\n2:\n"              \
	".pushsection .extable, \"a\"\n" \
	".quad 1b, 2b\n"                 \
	".popsection\n"

u32 try_read64(const volatile void *p, u64 *value)
{
	register u64 fault __asm__("r11") = 0;
	u64 v = 0;

	__asm__ volatile(FALLIBLE("movq (%2), %1") : "+r"(fault), "+r"(v) : "r"(p) : "memory");
	*value = v;
	return (u32)fault;
}

u32 try_write64(volatile void *p, u64 value)
{
	register u64 fault __asm__("r11") = 0;

	__asm__ volatile(FALLIBLE("movq %2, (%1)") : "+r"(fault) : "r"(p), "r"(value) : "memory");
	return (u32)fault;
}

u32 try_read8(const volatile void *p, u8 *value)
{
	register u64 fault __asm__("r11") = 0;
	u8 v = 0;

	__asm__ volatile(FALLIBLE("movb (%2), %1") : "+r"(fault), "+q"(v) : "r"(p) : "memory");
	*value = v;
	return (u32)fault;
}

u32 try_write8(volatile void *p, u8 value)
{
	register u64 fault __asm__("r11") = 0;

	__asm__ volatile(FALLIBLE("movb %2, (%1)") : "+r"(fault) : "r"(p), "q"(value) : "memory");
	return (u32)fault;
}

u32 try_rdmsr(u32 msr, u64 *value)
{
	register u64 fault __asm__("r11") = 0;
	u32 lo = 0, hi = 0;

	__asm__ volatile(FALLIBLE("rdmsr") : "+r"(fault), "+a"(lo), "+d"(hi) : "c"(msr) : "memory");
	*value = (u64)hi << 32 | lo;
	return (u32)fault;
}

u32 try_wrmsr(u32 msr, u64 value)
{
	register u64 fault __asm__("r11") = 0;

	__asm__ volatile(FALLIBLE("wrmsr")
			 : "+r"(fault)
			 : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32))
			 : "memory");
	return (u32)fault;
}
