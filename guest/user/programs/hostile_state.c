/* SPDX-License-Identifier: BSD-2-Clause */
/* Register contents with which the kernel must be entered nevertheless, and bad system calls. */
#include "guest/user/programs/hostile.h"

#define RFLAGS_DF (1ul << 10)
#define RFLAGS_NT (1ul << 14)
#define RFLAGS_AC (1ul << 18)
#define RFLAGS_ID (1ul << 21)

static void load_gs(u16 selector)
{
	s64 id = syscall1(SYS_GETTID, 0);

	for (u32 i = 0; i < 64; i++) {
		DO("movw %0, %%gs", "r"(selector));
		EXPECT(syscall1(SYS_YIELD, 0), 0);
		EXPECT(syscall1(SYS_GETTID, 0), id);
	}
}

void do_gs_null(void)
{
	load_gs(0);
}

void do_gs_data(void)
{
	load_gs(SEL_USER_DATA);
}

static void call_with_stack(u64 rsp)
{
	s64 result;

	__asm__ volatile("movq %%rsp, %%rbx; movq %1, %%rsp;" BAD_CALL "movq %%rbx, %%rsp"
			 : "=&a"(result)
			 : "r"(rsp)
			 : "rbx", "memory");
	EXPECT(result, -ENOSYS);
}

void do_stack_kernel(void)
{
	call_with_stack(DIRECT_MAP_BASE + 0x100000);
}

void do_stack_wild(void)
{
	call_with_stack(NOT_CANONICAL + 3);
}

void do_base_pointer(void)
{
	u64 rbp = NOT_CANONICAL + 8;
	s64 result;

	__asm__ volatile("movq %%rbp, %%rbx; movq %1, %%rbp;" BAD_CALL
			 "movq %%rbp, %1; movq %%rbx, %%rbp"
			 : "=&a"(result), "+r"(rbp)
			 :
			 : "rbx", "memory");
	EXPECT(result, -ENOSYS);
	CHECK_VALUE(rbp == NOT_CANONICAL + 8, rbp);
}

void do_flags(void)
{
	u64 set = RFLAGS_AC | RFLAGS_DF | RFLAGS_ID | RFLAGS_NT, after;

	__asm__ volatile("pushfq; orq %1, (%%rsp); popfq;" BAD_CALL "pushfq; popq %0; cld"
			 : "=&r"(after)
			 : "r"(set)
			 : "rax", "memory", "cc");
	CHECK_VALUE((after & set) == set, after);
	EXPECT(syscall1(SYS_YIELD, 0), 0);
	DO("pushfq; andq %0, (%%rsp); popfq", "r"(~set));
}

void do_bad_calls(void)
{
	static const u64 address[] = {
		0,
		1,
		NOT_CANONICAL - PAGE_SIZE,
		NOT_CANONICAL,
		~0ul,
		DIRECT_MAP_BASE,
		KERNEL_BASE,
		1ul << 62,
	};
	static const u8 number[] = { SYS_MMAP,	   SYS_MUNMAP,	 SYS_MPROTECT, SYS_MREMAP,
				     SYS_DONTNEED, SYS_COLLAPSE, SYS_PIN_READ, SYS_PIN_WRITE };

	for (u32 i = 0; i < ARRAY_SIZE(address); i++) {
		u64 a = address[i];

		EXPECT(syscall1((enum syscall)(SYSCALL_COUNT + i), a), -ENOSYS);
		for (u32 k = 0; k < ARRAY_SIZE(number); k++) {
			s64 r = syscall5((enum syscall)number[k], a, ~0ul, a, a, a);

			CHECK_VALUE(r < 0 && r > -4096, r);
		}
	}
	EXPECT(syscall5(SYS_MMAP, 0, PAGE_SIZE, 8, 0, 0), -EINVAL);
	EXPECT(syscall5(SYS_MMAP, 0, PAGE_SIZE, RW | 1ul << 32, 0, 0), -EINVAL);
	EXPECT(syscall5(SYS_MMAP, 0, PAGE_SIZE, RW, 1ul << 32, 0), -EINVAL);
	EXPECT(syscall5(SYS_MMAP, PAGE_SIZE, PAGE_SIZE, RW, 0, 0), -EINVAL);
	EXPECT(syscall1(SYS_FORK, 1ul << 32), -EINVAL);
	EXPECT(syscall1(SYS_JOIN, 0), -ENOENT);
}

/* An INT in its last two bytes would return to a non-canonical address. */
void do_top_page(void)
{
	EXPECT(syscall5(SYS_MMAP, USER_END - PAGE_SIZE, PAGE_SIZE, RW | PROT_EXEC, 0, 0), -EINVAL);
}

/* Each child goes on forking; the ends of parents end what is left. */
void do_fork_bomb(void)
{
	s64 id;

	do {
		id = syscall1(SYS_FORK, (u64)syscall1(SYS_GETCPU, 0));
	} while (id >= 0);
	CHECK_VALUE(id == -EAGAIN || id == -ENOMEM, id);
}
