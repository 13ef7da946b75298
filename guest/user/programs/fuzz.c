/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that do anything at all; the kernel must outlive them. */
#include "guest/user/programs/program.h"

#define CALLS 300u

/* Jumps into a page of random bytes. The argument: the seed. */
_Noreturn void fuzz_code(u64 seed)
{
	s64 page = syscall5(SYS_MMAP, 0, PAGE_SIZE, RW | PROT_EXEC, 0, 0);
	u64 random = seed * 2 + 1;

	CHECK_VALUE(page > 0, page);
	for (u64 i = 0; i < PAGE_SIZE; i += sizeof(u64))
		store((u64)page + i, random_next(&random));
	__asm__ volatile("jmp *%0" ::"r"(page) : "memory");
	__builtin_unreachable();
}

static u64 random_address(u64 *random, u64 own)
{
	const u64 base[] = {
		own, own, own, own, USER_TEXT, USER_END, DIRECT_MAP_BASE, (u64)&own, 0,
	};
	u64 r = random_next(random);

	if (r >> 60 == 0)
		return random_next(random);
	return base[r % ARRAY_SIZE(base)] + (r >> 16 & 0x3ff) * PAGE_SIZE -
	       (r >> 32 & 1) * LARGE_PAGE_SIZE;
}

static u64 random_number(u64 *random)
{
	u64 r = random_next(random);

	switch (r >> 62) {
	case 0:
		return r & 7;
	case 1:
		return (r & 0x7ff) * PAGE_SIZE;
	case 2:
		return 1ul << (r & 63);
	default:
		return r;
	}
}

/*
 * Random system calls, with arguments that are often nearly right. The
 * program may take its own stack or text away. The argument: the seed.
 */
_Noreturn void fuzz_calls(u64 seed)
{
	u64 random = seed * 2 + 1, own = MAP(8 * LARGE_PAGE_SIZE, MAP_HUGE);

	for (u32 i = 0; i < CALLS; i++) {
		u64 number = 1 + random_next(&random) % (SYSCALL_COUNT - 1); /* not exit */
		u64 arg[SYSCALL_ARGS] = { random_address(&random, own) };

		for (u32 k = 1; k < SYSCALL_ARGS; k++)
			arg[k] = random_next(&random) & 1 ? random_number(&random)
							  : random_address(&random, own);
		if (number == SYS_FORK || number == SYS_JOIN || number == SYS_PIN_WAIT)
			arg[0] = random_number(&random) & 7;
		syscall5((enum syscall)number, arg[0], arg[1], arg[2], arg[3], arg[4]);
	}
	exit_with(0);
}
