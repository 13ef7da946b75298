/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions that ring 3 must not have, and exceptions it can raise. */
#include "guest/user/programs/hostile.h"

#define RFLAGS_TF   (1ul << 8)
#define RFLAGS_IF   (1ul << 9)
#define RFLAGS_IOPL (3ul << 12)

#define INSN(name, insns)    \
	void do_##name(void) \
	{                    \
		DO(insns, ); \
	}

INSN(out, "outb %%al, $0x80")
INSN(in, "inb $0x80, %%al")
INSN(cli, "cli")
INSN(sti, "sti")
INSN(hlt, "hlt")
INSN(read_cr3, "movq %%cr3, %%rax")
INSN(write_cr3, "xorl %%eax, %%eax; movq %%rax, %%cr3")
INSN(write_cr0, "xorl %%eax, %%eax; movq %%rax, %%cr0")
INSN(write_cr4, "xorl %%eax, %%eax; movq %%rax, %%cr4")
INSN(write_dr7, "xorl %%eax, %%eax; movq %%rax, %%dr7")
INSN(rdmsr, "movl $0xc0000102, %%ecx; rdmsr")
INSN(wrmsr, "movl $0xc0000101, %%ecx; xorl %%eax, %%eax; xorl %%edx, %%edx; wrmsr")
INSN(swapgs, "swapgs")
INSN(wrgsbase, "xorl %%eax, %%eax; .byte 0xf3, 0x48, 0x0f, 0xae, 0xd8") /* WRGSBASE RAX */
INSN(lgdt, "lgdt -16(%%rsp)")
INSN(lidt, "lidt -16(%%rsp)")
INSN(ltr, "xorl %%eax, %%eax; ltr %%ax")
INSN(invlpg, "invlpg (%%rsp)")
INSN(syscall, "syscall")
INSN(x87, "fld1")
INSN(sse, ".byte 0x0f, 0x57, 0xc0") /* XORPS XMM0, XMM0 */
INSN(ud2, "ud2")
INSN(divide, "xorl %%ecx, %%ecx; xorl %%edx, %%edx; divl %%ecx")
INSN(int1, ".byte 0xf1")
INSN(int3, "int3")
INSN(int_nmi, "int $2")
INSN(int_pf, "int $14")
INSN(int_ipi, "int $0xf1")
INSN(kernel_cs, "pushq $0x08; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:")
INSN(iret, "movq %%rsp, %%rcx; pushq $0x10; pushq %%rcx; pushfq; pushq $0x08;"
	   "leaq 1f(%%rip), %%rax; pushq %%rax; iretq; 1:")
INSN(kernel_ss, "movl $0x10, %%eax; movw %%ax, %%ss")
INSN(tss_ds, "movl $0x28, %%eax; movw %%ax, %%ds")

static u64 get_flags(void)
{
	u64 flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags)::"memory");
	return flags;
}

void do_popf(void)
{
	DO("pushfq; orq %0, (%%rsp); andq %1, (%%rsp); popfq", "r"(RFLAGS_IOPL), "r"(~RFLAGS_IF));
	CHECK_VALUE((get_flags() & (RFLAGS_IOPL | RFLAGS_IF)) == RFLAGS_IF, get_flags());
	DO("outb %%al, $0x80", );
}

void do_step(void)
{
	DO("pushfq; orq %0, (%%rsp); popfq; nop", "r"(RFLAGS_TF));
}

void do_step_call(void)
{
	DO("movq $-1, %%rax; pushfq; orq %0, (%%rsp); popfq; int $0x80; nop", "r"(RFLAGS_TF));
}
