/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions without a C spelling: MSRs, CPUID, time stamp, ports, control registers. */
#ifndef GUEST_CPU_MSR_H
#define GUEST_CPU_MSR_H

#include "guest/lib/types.h"

#define MSR_APIC_BASE	   0x1bu
#define MSR_TSC_DEADLINE   0x6e0u
#define MSR_X2APIC_BASE	   0x800u /* + register offset / 16 */
#define MSR_EFER	   0xc0000080u
#define MSR_GS_BASE	   0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u

#define EFER_LME (1u << 8)
#define EFER_NXE (1u << 11)

#define CR0_PE	  (1ul << 0)
#define CR0_EM	  (1ul << 2)
#define CR0_WP	  (1ul << 16)
#define CR0_PG	  (1ul << 31)
#define CR4_PAE	  (1ul << 5)
#define CR4_PGE	  (1ul << 7)
#define CR4_PCIDE (1ul << 17)

#define RFLAGS_IF (1ul << 9)

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

struct cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

/* Not ordered against neighbouring instructions. */
static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

/* Starts after every earlier load has completed and before any later instruction (LFENCE). */
static inline u64 rdtsc_ordered(void)
{
	u32 lo, hi;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(lo), "=d"(hi)::"memory");
	return (u64)hi << 32 | lo;
}

/* Belongs in every loop that waits for another CPU. */
static inline void cpu_pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}

/*
 * The same for waits that may be long: pauses at every 16th poll only. `polls` is the loop's
 * own, from 0. Emulators give the processor away, or take a global lock, at each PAUSE.
 */
static inline void cpu_poll(u32 *polls)
{
	if (++*polls % 16 == 0)
		cpu_pause();
}

static inline void outb(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline void outl(u16 port, u32 value)
{
	__asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline u8 inb(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline u32 inl(u16 port)
{
	u32 value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline u64 read_cr2(void)
{
	u64 v;

	__asm__ volatile("mov %%cr2, %0" : "=r"(v)::"memory");
	return v;
}

static inline u64 read_cr3(void)
{
	u64 v;

	__asm__ volatile("mov %%cr3, %0" : "=r"(v)::"memory");
	return v;
}

static inline void write_cr3(u64 v)
{
	__asm__ volatile("mov %0, %%cr3" ::"r"(v) : "memory");
}

static inline u64 read_cr4(void)
{
	u64 v;

	__asm__ volatile("mov %%cr4, %0" : "=r"(v)::"memory");
	return v;
}

static inline void write_cr4(u64 v)
{
	__asm__ volatile("mov %0, %%cr4" ::"r"(v) : "memory");
}

static inline u64 read_cr0(void)
{
	u64 v;

	__asm__ volatile("mov %%cr0, %0" : "=r"(v)::"memory");
	return v;
}

static inline void write_cr0(u64 v)
{
	__asm__ volatile("mov %0, %%cr0" ::"r"(v) : "memory");
}

#endif
