/* SPDX-License-Identifier: BSD-2-Clause */
/* Copy-on-write: parents and children write different values, and each sees its own. */
#include "guest/user/programs/program.h"

#define PAGES	  20u
#define LARGE	  LARGE_PAGE_SIZE
#define MARK	  0x666f726b00000000ul
#define MAX_CHILD 8u

/* Small pages, a large one, and some that nobody has touched. */
struct memory {
	u64 small, large, fresh;
};

static void expect_mark(const struct memory *m, u64 mark)
{
	u64 found;

	CHECK_VALUE(stamped_all(m->small, PAGES, mark, &found), found);
	CHECK_VALUE(stamped_all(m->large, PT_ENTRIES, mark, &found), found);
}

static void mark_all(const struct memory *m, u64 mark)
{
	stamp_all(m->small, PAGES, mark);
	/* Every second page of the large one: it is split, and shared in half. */
	for (u64 i = 0; i < PT_ENTRIES; i += 2)
		stamp(m->large + i * PAGE_SIZE, mark + i * STAMPS);
}

static void expect_half(const struct memory *m, u64 even, u64 odd)
{
	u64 found;

	CHECK_VALUE(stamped_all(m->small, PAGES, even, &found), found);
	for (u64 i = 0; i < PT_ENTRIES; i++)
		CHECK_VALUE(stamped(m->large + i * PAGE_SIZE, (i % 2 ? odd : even) + i * STAMPS,
				    &found),
			    found);
}

static _Noreturn void child(const struct memory *m, u64 mark, u64 own)
{
	u64 found;

	expect_mark(m, mark);
	CHECK_VALUE(zeroed_all(m->fresh, PAGES, &found), found);
	mark_all(m, own);
	stamp_all(m->fresh, PAGES, own);
	expect_half(m, own, mark);
	EXPECT(syscall3(SYS_MUNMAP, m->small, PAGES * PAGE_SIZE, 0), 0);
	EXPECT(syscall3(SYS_DONTNEED, m->large, LARGE, 0), 0);
	CHECK_VALUE(zeroed_all(m->large, PT_ENTRIES, &found), found);
	exit_with(0);
}

/* Each child has a child that must see what its parent wrote, and not what that wrote later. */
static _Noreturn void child_with_child(const struct memory *m, u64 mark, u64 own, u64 cpu)
{
	s64 id;

	expect_mark(m, mark);
	stamp_all(m->small, PAGES, own);
	stamp_all(m->large, PT_ENTRIES, own);
	id = syscall1(SYS_FORK, cpu);
	CHECK_VALUE(id >= 0, id);
	if (id == 0)
		child(m, own, own + 1);
	mark_all(m, own + 2);
	EXPECT(syscall1(SYS_JOIN, (u64)id), 0);
	expect_half(m, own + 2, own);
	exit_with(0);
}

static void round_on(const struct memory *m, u64 cpus, u64 mark)
{
	s64 id[MAX_CHILD];
	u64 n = cpus < MAX_CHILD ? cpus : MAX_CHILD;

	stamp_all(m->small, PAGES, mark);
	stamp_all(m->large, PT_ENTRIES, mark);
	for (u64 i = 0; i < n; i++) {
		id[i] = syscall1(SYS_FORK, i);
		CHECK_VALUE(id[i] >= 0, id[i]);
		if (id[i] == 0 && i % 2)
			child_with_child(m, mark, mark + (i + 1) * 0x10000, (i + 1) % cpus);
		if (id[i] == 0)
			child(m, mark, mark + (i + 1) * 0x10000);
	}
	mark_all(m, mark + 0x8000);
	for (u64 i = 0; i < n; i++)
		EXPECT(syscall1(SYS_JOIN, (u64)id[i]), 0);
	expect_half(m, mark + 0x8000, mark);
	EXPECT(syscall1(SYS_JOIN, 0x7fffffff), -ENOENT);
	EXPECT(syscall1(SYS_FORK, cpus), -EINVAL);
}

/* The argument: CPUs in the low 32 bits, above them rounds. */
_Noreturn void forks(u64 arg)
{
	struct memory m = { .small = MAP(PAGES * PAGE_SIZE, 0),
			    .large = MAP(LARGE, MAP_HUGE),
			    .fresh = MAP(PAGES * PAGE_SIZE, 0) };

	for (u64 i = 0; i < arg >> 32; i++)
		round_on(&m, arg & 0xffffffff, MARK + i * 0x1000000);
	exit_with(0);
}
