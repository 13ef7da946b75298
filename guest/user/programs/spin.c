/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that do not end by themselves. */
#include "guest/user/programs/program.h"

/* Never enters the kernel again, with a GS base that is not the kernel's. The argument: where to
 * say so. */
_Noreturn void spin(u64 started)
{
	__asm__ volatile("movw %w0, %%gs" ::"r"(0));
	__atomic_store_n((u64 *)started, 1, __ATOMIC_RELEASE);
	for (;;)
		__asm__ volatile("pause");
}

/*
 * Ends, or waits for it, while its child does not end. The argument: 0, or where to
 * say that it waits.
 */
_Noreturn void orphan(u64 waits)
{
	s64 child = syscall1(SYS_FORK, (u64)syscall1(SYS_GETCPU, 0));

	CHECK_VALUE(child >= 0, child);
	if (child == 0) {
		for (;;)
			syscall1(SYS_YIELD, 0);
	}
	if (waits) {
		__atomic_store_n((u64 *)waits, 1, __ATOMIC_RELEASE);
		syscall1(SYS_JOIN, (u64)child);
		exit_with(__LINE__);
	}
	exit_with(0);
}

/* Takes all the memory there is. The argument: bytes to map. */
_Noreturn void hog(u64 bytes)
{
	u64 va = MAP(bytes, 0);

	for (u64 i = 0; i < bytes; i += PAGE_SIZE)
		store(va + i, i);
	exit_with(0);
}
