/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel and the programs in ring 3 agree on. A system call is INT 0x80: the number in
 * RAX, arguments in RDI, RSI, RDX, R10, R8; the result, or a negative error (errno.h), in RAX.
 * All other registers keep their values.
 */
#ifndef GUEST_USER_ABI_H
#define GUEST_USER_ABI_H

#include "guest/boot/layout.h"
#include "guest/lib/errno.h"
#include "guest/lib/types.h"
#include "guest/mm/map.h" /* PROT_*, MAP_* */

/*
 * X(ID, name), arguments and result:
 *
 *   exit(code)                           does not return
 *   yield()
 *   getcpu()                             the CPU's number
 *   gettid()                             this thread's number
 *   report(value)                        hands a value to who started the program; -EAGAIN: no room
 *   mmap(addr, bytes, prot, flags)       mm_map()
 *   munmap(addr, bytes)                  mm_unmap()
 *   mprotect(addr, bytes, prot)          mm_protect()
 *   mremap(addr, bytes, to)              mm_remap()
 *   dontneed(addr, bytes)                mm_dontneed()
 *   collapse(addr)                       mm_collapse()
 *   fork(cpu)                            the child's number, at least 1; 0 in the child, on that
 * CPU join(child)                          waits for its end: 0, or -EFAULT unless it was exit(0)
 *   pin_write(const struct user_pin *)   pins pages for the device to fill; the pin's number
 *   pin_read(const struct user_pin *)    the same to sum them up
 *   pin_wait(pin, struct user_pin_result *)   waits for the device, and gives the number back
 */
#define SYSCALLS(X)             \
	X(EXIT, exit)           \
	X(YIELD, yield)         \
	X(GETCPU, getcpu)       \
	X(GETTID, gettid)       \
	X(REPORT, report)       \
	X(MMAP, mmap)           \
	X(MUNMAP, munmap)       \
	X(MPROTECT, mprotect)   \
	X(MREMAP, mremap)       \
	X(DONTNEED, dontneed)   \
	X(COLLAPSE, collapse)   \
	X(FORK, fork)           \
	X(JOIN, join)           \
	X(PIN_WRITE, pin_write) \
	X(PIN_READ, pin_read)   \
	X(PIN_WAIT, pin_wait)

enum syscall {
#define SYSCALL_ENUM(id, name) SYS_##id,
	SYSCALLS(SYSCALL_ENUM)
#undef SYSCALL_ENUM
		SYSCALL_COUNT
};

#define SYSCALL_ARGS 5u

#define PIN_LATE (1u << 0) /* the device begins at the pin_wait(), or after the thread's end */

struct user_pin {
	u64 addr;    /* page aligned */
	u32 pages;   /* 1 to 64 */
	u32 flags;   /* PIN_* */
	u64 pattern; /* the word at byte b becomes pattern + b / 8 */
};

struct user_pin_result {
	u64 sum; /* of all 64-bit words, for pin_read */
	u64 pages;
};

/* What program `call` executes, with which registers. */
enum user_call_how { USER_CALL_VMCALL, USER_CALL_VMMCALL, USER_CALL_OUT };

struct user_call {
	u64 how; /* enum user_call_how */
	u64 rax, rcx, rdx, rsi, rdi, r8;
};

/* X(ID, function): the programs of the image, each with one argument (programs/). */
#define USER_PROGRAMS(X)          \
	X(TOUCH, touch)           \
	X(CHURN, churn)           \
	X(RELAY, relay)           \
	X(FORKS, forks)           \
	X(PINS, pins)             \
	X(HOSTILE, hostile)       \
	X(FUZZ_CODE, fuzz_code)   \
	X(FUZZ_CALLS, fuzz_calls) \
	X(SPIN, spin)             \
	X(ORPHAN, orphan)         \
	X(HOG, hog)               \
	X(CALL, call)

enum user_program {
#define PROGRAM_ENUM(id, fn) PROGRAM_##id,
	USER_PROGRAMS(PROGRAM_ENUM)
#undef PROGRAM_ENUM
		PROGRAM_COUNT
};

#endif
