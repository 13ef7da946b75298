/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps, fills, moves, protects, collapses and unmaps at random, together with
 * other threads in the same address space. Each page carries its owner's number,
 * the area's generation and its place: any other value there has come
 * from a page that was freed too early, or by a translation that was kept too long.
 */
#include "guest/user/programs/program.h"

#define AREAS	  6u
#define MAX_PAGES 12u
#define LARGE	  LARGE_PAGE_SIZE

struct area {
	u64 va, pages; /* 0: not mapped */
	u64 mark;
};

struct churner {
	struct area area[AREAS];
	u64 owner, generation, random;
};

static void verify(const struct area *a)
{
	u64 found;

	if (a->pages)
		CHECK_VALUE(stamped_all(a->va, a->pages, a->mark, &found), found);
}

static void mark_anew(struct churner *c, struct area *a)
{
	a->mark = c->owner << 40 | ++c->generation << 12;
	stamp_all(a->va, a->pages, a->mark);
}

static void map_area(struct churner *c, struct area *a)
{
	u64 found;

	a->pages = 1 + random_next(&c->random) % MAX_PAGES;
	a->va = MAP(a->pages * PAGE_SIZE, 0);
	CHECK_VALUE(zeroed_all(a->va, a->pages, &found), found);
	mark_anew(c, a);
}

static void unmap_area(struct churner *c, struct area *a)
{
	(void)c;
	verify(a);
	EXPECT(syscall3(SYS_MUNMAP, a->va, a->pages * PAGE_SIZE, 0), 0);
	a->pages = 0;
}

static void protect_area(struct churner *c, struct area *a)
{
	u64 bytes = a->pages * PAGE_SIZE;

	EXPECT(syscall3(SYS_MPROTECT, a->va, bytes, PROT_READ), 0);
	verify(a);
	EXPECT(syscall3(SYS_MPROTECT, a->va, bytes, RW), 0);
	mark_anew(c, a);
}

static void forget_area(struct churner *c, struct area *a)
{
	u64 found;

	EXPECT(syscall3(SYS_DONTNEED, a->va, a->pages * PAGE_SIZE, 0), 0);
	CHECK_VALUE(zeroed_all(a->va, a->pages, &found), found);
	mark_anew(c, a);
}

/* To a place that another thread may take meanwhile: then it stays. */
static void move_area(struct churner *c, struct area *a)
{
	u64 bytes = a->pages * PAGE_SIZE, to = MAP(bytes, 0);
	s64 r;

	(void)c;
	EXPECT(syscall3(SYS_MUNMAP, to, bytes, 0), 0);
	r = syscall3(SYS_MREMAP, a->va, bytes, to);
	CHECK_VALUE(r == 0 || r == -EINVAL, r);
	if (r == 0)
		a->va = to;
	verify(a);
}

/* Of its own: collapse wants one mapping of 2 MiB. */
static void collapse_some(struct churner *c)
{
	u64 base = MAP(2 * LARGE, 0);
	struct area a = { .va = ALIGN_UP(base, LARGE), .pages = MAX_PAGES };
	s64 r;

	mark_anew(c, &a);
	r = syscall1(SYS_COLLAPSE, a.va);
	CHECK_VALUE(r == 0 || r == -EAGAIN || r == -ENOMEM, r);
	verify(&a);
	mark_anew(c, &a);
	verify(&a);
	EXPECT(syscall3(SYS_MUNMAP, base, 2 * LARGE, 0), 0);
}

static void step(struct churner *c)
{
	static void (*const change[])(struct churner *, struct area *) = {
		unmap_area, protect_area, forget_area, move_area, unmap_area,
	};
	u64 r = random_next(&c->random);
	struct area *a = &c->area[r % AREAS];

	if (r >> 8 & 63) {
		if (!a->pages)
			map_area(c, a);
		else
			change[(r >> 16) % (sizeof(change) / sizeof(change[0]))](c, a);
	} else {
		collapse_some(c);
	}
	verify(&c->area[(r >> 32) % AREAS]);
}

/* The argument: rounds. */
_Noreturn void churn(u64 rounds)
{
	struct churner c = { .owner = (u64)syscall1(SYS_GETTID, 0) };

	c.random = c.owner * 0x9e3779b97f4a7c15ul;
	for (u64 i = 0; i < rounds; i++)
		step(&c);
	for (u64 i = 0; i < AREAS; i++) {
		if (c.area[i].pages)
			unmap_area(&c, &c.area[i]);
	}
	exit_with(0);
}
