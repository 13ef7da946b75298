/* SPDX-License-Identifier: BSD-2-Clause */
/* Buffers that the device fills and reads while the program unmaps them, forks and ends. */
#include "guest/user/programs/program.h"

#define PAGES 8u
#define BYTES (PAGES * PAGE_SIZE)
#define WORDS (BYTES / sizeof(u64))
#define MARK  0x70696e7300000000ul

static s64 submit(enum syscall call, u64 addr, u32 flags, u64 pattern)
{
	const struct user_pin pin = {
		.addr = addr, .pages = PAGES, .flags = flags, .pattern = pattern
	};

	return syscall1(call, (u64)&pin);
}

static u64 start(enum syscall call, u64 addr, u32 flags, u64 pattern)
{
	s64 pin = submit(call, addr, flags, pattern);

	CHECK_VALUE(pin >= 0, pin);
	return (u64)pin;
}

static u64 wait_for(u64 pin)
{
	struct user_pin_result result = { 0 };

	EXPECT(syscall3(SYS_PIN_WAIT, pin, (u64)&result, 0), 0);
	CHECK_VALUE(result.pages == PAGES, result.pages);
	return result.sum;
}

static void expect_pattern(u64 va, u64 pattern)
{
	for (u64 i = 0; i < WORDS; i++)
		CHECK_VALUE(load(va + i * sizeof(u64)) == pattern + i, load(va + i * sizeof(u64)));
}

static void write_and_read(u64 pattern)
{
	u64 va = MAP(BYTES, 0), sum = pattern * WORDS + WORDS * (WORDS - 1) / 2, got;

	wait_for(start(SYS_PIN_WRITE, va, 0, pattern));
	expect_pattern(va, pattern);
	got = wait_for(start(SYS_PIN_READ, va, 0, 0));
	CHECK_VALUE(got == sum, got);
	EXPECT(syscall3(SYS_MUNMAP, va, BYTES, 0), 0);
}

/* The device writes to pages that are the program's no longer: nobody else's either. */
static void unmapped_in_flight(u64 pattern, u64 unmap)
{
	u64 va = MAP(BYTES, 0), pin, found;

	stamp_all(va, PAGES, MARK);
	pin = start(SYS_PIN_WRITE, va, PIN_LATE, pattern);
	if (unmap) {
		EXPECT(syscall3(SYS_MUNMAP, va, BYTES, 0), 0);
		EXPECT(syscall5(SYS_MMAP, va, BYTES, RW, 0, 0), va);
	} else {
		EXPECT(syscall3(SYS_DONTNEED, va, BYTES, 0), 0);
	}
	CHECK_VALUE(zeroed_all(va, PAGES, &found), found);
	stamp_all(va, PAGES, MARK + 1);
	wait_for(pin);
	CHECK_VALUE(stamped_all(va, PAGES, MARK + 1, &found), found);
	EXPECT(syscall3(SYS_MUNMAP, va, BYTES, 0), 0);
}

/* Pinned, then forked: the pin stays with the parent, whoever writes first. */
static void forked_in_flight(u64 pattern, u64 cpu)
{
	u64 va = MAP(BYTES, 0), pin, found;
	s64 id;

	stamp_all(va, PAGES, MARK + 2);
	pin = start(SYS_PIN_WRITE, va, PIN_LATE, pattern);
	id = syscall1(SYS_FORK, cpu);
	CHECK_VALUE(id >= 0, id);
	if (id == 0) {
		CHECK_VALUE(stamped_all(va, PAGES, MARK + 2, &found), found);
		stamp_all(va, PAGES, MARK + 3);
		CHECK_VALUE(stamped_all(va, PAGES, MARK + 3, &found), found);
		exit_with(0);
	}
	store(va, 1);
	wait_for(pin);
	expect_pattern(va, pattern);
	EXPECT(syscall1(SYS_JOIN, (u64)id), 0);
	expect_pattern(va, pattern);
	EXPECT(syscall3(SYS_MUNMAP, va, BYTES, 0), 0);
}

/* Forked, then pinned for writing: what the device writes must not show in the child. */
static void pinned_when_shared(u64 pattern, u64 cpu)
{
	u64 va = MAP(BYTES, 0), found;
	s64 id;

	stamp_all(va, PAGES, MARK + 4);
	id = syscall1(SYS_FORK, cpu);
	CHECK_VALUE(id >= 0, id);
	if (id == 0) {
		for (u64 i = 0; i < 16; i++) {
			CHECK_VALUE(stamped_all(va, PAGES, MARK + 4, &found), found);
			syscall1(SYS_YIELD, 0);
		}
		exit_with(0);
	}
	wait_for(start(SYS_PIN_WRITE, va, 0, pattern));
	expect_pattern(va, pattern);
	EXPECT(syscall1(SYS_JOIN, (u64)id), 0);
	EXPECT(syscall3(SYS_MUNMAP, va, BYTES, 0), 0);
}

static void refused(void)
{
	u64 va = MAP(BYTES, 0);
	struct user_pin pin = { .addr = va, .pages = 0 };

	EXPECT(syscall1(SYS_PIN_WRITE, (u64)&pin), -EINVAL);
	pin.pages = 65;
	EXPECT(syscall1(SYS_PIN_WRITE, (u64)&pin), -EINVAL);
	EXPECT(submit(SYS_PIN_WRITE, va + 8, 0, 0), -EINVAL);
	EXPECT(submit(SYS_PIN_WRITE, USER_END, 0, 0), -EINVAL);
	EXPECT(submit(SYS_PIN_WRITE, DIRECT_MAP_BASE, 0, 0), -EINVAL);
	EXPECT(submit(SYS_PIN_WRITE, USER_TEXT, 0, 0), -EFAULT);
	EXPECT(syscall1(SYS_PIN_WRITE, USER_END), -EFAULT);
	EXPECT(syscall3(SYS_PIN_WAIT, 0, 0, 0), -ENOENT);
	EXPECT(syscall3(SYS_PIN_WAIT, ~0ul, 0, 0), -ENOENT);
	EXPECT(syscall3(SYS_MPROTECT, va, BYTES, PROT_READ), 0);
	EXPECT(submit(SYS_PIN_WRITE, va, 0, 0), -EFAULT);
	EXPECT(syscall3(SYS_PIN_WAIT, start(SYS_PIN_READ, va, 0, 0), USER_TEXT, 0), -EFAULT);
	wait_for(start(SYS_PIN_READ, va, 0, 0));
	EXPECT(syscall3(SYS_MUNMAP, va + PAGE_SIZE, BYTES - PAGE_SIZE, 0), 0);
	EXPECT(submit(SYS_PIN_READ, va, 0, 0), -EFAULT); /* the first page alone can be had */
	EXPECT(syscall3(SYS_MUNMAP, va, PAGE_SIZE, 0), 0);
}

/* Ends with pins the device has not served: their pages outlive the address space. */
static _Noreturn void end_in_flight(void)
{
	u64 va = MAP(BYTES, 0), pin = 0;

	for (u32 i = 0; i < 8; i++)
		pin = start(SYS_PIN_WRITE, va, i % 2 ? PIN_LATE : 0, MARK);
	CHECK_VALUE(pin == 7, pin);
	EXPECT(submit(SYS_PIN_WRITE, va, 0, 0), -EAGAIN);
	exit_with(0);
}

/* The argument: CPUs in the low 32 bits, above them rounds. */
_Noreturn void pins(u64 arg)
{
	u64 cpus = arg & 0xffffffff;

	refused();
	for (u64 i = 0; i < arg >> 32; i++) {
		u64 pattern = MARK + (i << 20);

		write_and_read(pattern);
		unmapped_in_flight(pattern, i % 2);
		forked_in_flight(pattern, i % cpus);
		pinned_when_shared(pattern, (i + 1) % cpus);
	}
	end_in_flight();
}
