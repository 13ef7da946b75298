/* SPDX-License-Identifier: BSD-2-Clause */
/* What programs in ring 3 have: system calls, checks and stamps. */
#ifndef GUEST_USER_PROGRAMS_PROGRAM_H
#define GUEST_USER_PROGRAMS_PROGRAM_H

#include "guest/user/abi.h"

#define RW (PROT_READ | PROT_WRITE)

static inline s64 syscall5(enum syscall number, u64 a, u64 b, u64 c, u64 d, u64 e)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	s64 result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"((u64)number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "memory");
	return result;
}

static inline s64 syscall3(enum syscall number, u64 a, u64 b, u64 c)
{
	return syscall5(number, a, b, c, 0, 0);
}

static inline s64 syscall1(enum syscall number, u64 a)
{
	return syscall5(number, a, 0, 0, 0, 0);
}

static inline _Noreturn void exit_with(u64 code)
{
	syscall1(SYS_EXIT, code);
	__builtin_trap();
}

static inline void report(u64 value)
{
	syscall1(SYS_REPORT, value);
}

/* A program whose check fails reports the value that is wrong and ends with the line's number. */
#define CHECK_VALUE(cond, value)              \
	do {                                  \
		if (!(cond)) {                \
			report((u64)(value)); \
			exit_with(__LINE__);  \
		}                             \
	} while (0)
#define CHECK(cond) CHECK_VALUE(cond, 0)

/* A system call that must give that result. */
#define EXPECT(call, result)                              \
	do {                                              \
		s64 got_ = (call);                        \
		CHECK_VALUE(got_ == (s64)(result), got_); \
	} while (0)

static inline u64 map_or_exit(u64 bytes, u64 flags, u64 line)
{
	s64 at = syscall5(SYS_MMAP, 0, bytes, RW, flags, 0);

	if (at <= 0) {
		report((u64)at);
		exit_with(line);
	}
	return (u64)at;
}

/* Zeroes somewhere, or the end of the program. */
#define MAP(bytes, flags) map_or_exit((bytes), (flags), __LINE__)

static inline void store(u64 va, u64 value)
{
	*(volatile u64 *)va = value;
}

static inline u64 load(u64 va)
{
	return *(const volatile u64 *)va;
}

/* Words of each page that carry its owner's mark; word i has mark + i. */
#define STAMPS	     4u
#define STAMP_STRIDE (PAGE_SIZE / STAMPS)

static inline void stamp(u64 page, u64 mark)
{
	for (u64 i = 0; i < STAMPS; i++)
		store(page + i * STAMP_STRIDE, mark + i);
}

/* The first word that differs is in *found then. */
static inline bool stamped(u64 page, u64 mark, u64 *found)
{
	for (u64 i = 0; i < STAMPS; i++) {
		*found = load(page + i * STAMP_STRIDE);
		if (*found != mark + i)
			return false;
	}
	return true;
}

static inline bool zeroed(u64 page, u64 *found)
{
	for (u64 i = 0; i < STAMPS; i++) {
		*found = load(page + i * STAMP_STRIDE);
		if (*found)
			return false;
	}
	return true;
}

/* Pages [va, va + pages) carry the marks mark, mark + STAMPS, ... */
static inline void stamp_all(u64 va, u64 pages, u64 mark)
{
	for (u64 i = 0; i < pages; i++)
		stamp(va + i * PAGE_SIZE, mark + i * STAMPS);
}

static inline bool stamped_all(u64 va, u64 pages, u64 mark, u64 *found)
{
	for (u64 i = 0; i < pages; i++) {
		if (!stamped(va + i * PAGE_SIZE, mark + i * STAMPS, found))
			return false;
	}
	return true;
}

static inline bool zeroed_all(u64 va, u64 pages, u64 *found)
{
	for (u64 i = 0; i < pages; i++) {
		if (!zeroed(va + i * PAGE_SIZE, found))
			return false;
	}
	return true;
}

/* xorshift64 (Marsaglia); the state is never 0. */
static inline u64 random_next(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* The programs: each ends by exit_with(), or is ended. */
#define PROGRAM_DECLARE(id, fn) _Noreturn void fn(u64 arg);
USER_PROGRAMS(PROGRAM_DECLARE)
#undef PROGRAM_DECLARE

#endif
