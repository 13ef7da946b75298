/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses that a program has no right to. */
#include "guest/user/programs/hostile.h"

void do_null_read(void)
{
	DO("movq 0, %%rax", );
}

void do_null_write(void)
{
	DO("movq %%rax, 0", );
}

void do_direct_map(void)
{
	(void)load(DIRECT_MAP_BASE);
}

void do_kernel_write(void)
{
	store(KERNEL_BASE + KERNEL_PHYS, 1);
}

void do_text_write(void)
{
	store(USER_TEXT, 1);
}

void do_not_canonical(void)
{
	(void)load(NOT_CANONICAL);
}

void do_stack_not_canonical(void)
{
	DO("movq %0, %%rsp; pushq %%rax", "r"(NOT_CANONICAL + 64));
}

void do_stack_overflow(void)
{
	DO("1: pushq %%rax; jmp 1b", );
}

static void jump(u64 to)
{
	DO("jmp *%0", "r"(to));
}

void do_jump_null(void)
{
	jump(0);
}

void do_jump_stack(void)
{
	volatile u64 code = 0xc3; /* RET */

	jump((u64)&code);
}

void do_jump_kernel(void)
{
	jump(KERNEL_BASE + KERNEL_PHYS);
}

void do_jump_not_canonical(void)
{
	jump(NOT_CANONICAL);
}

/* A page of its own, written to, with another protection afterwards. */
static u64 page_with(u64 prot)
{
	u64 va = MAP(PAGE_SIZE, 0);

	store(va, 1);
	EXPECT(syscall3(SYS_MPROTECT, va, PAGE_SIZE, prot), 0);
	return va;
}

void do_read_only(void)
{
	store(page_with(PROT_READ), 2);
}

void do_no_access(void)
{
	(void)load(page_with(0));
}

void do_unmapped(void)
{
	u64 va = page_with(RW);

	EXPECT(syscall3(SYS_MUNMAP, va, PAGE_SIZE, 0), 0);
	(void)load(va);
}
