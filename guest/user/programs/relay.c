/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The leader replaces a page under an address that all others have just read,
 * and publishes what it holds now; each of them must see that at its next read.
 * With a flush that does not happen they see the page that was there before.
 */
#include "guest/user/relay.h"
#include "guest/user/programs/program.h"

static u64 get(const u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void wait_until(const u64 *p, u64 value)
{
	for (u64 polls = 0; get(p) != value; polls++) {
		if (polls % 64 == 63)
			syscall1(SYS_YIELD, 0);
	}
}

/* The child is on this CPU, so that it mostly lives until the join, and the page is shared. */
static void replace_by_fork(struct relay *r, u64 generation)
{
	s64 child = syscall1(SYS_FORK, (u64)syscall1(SYS_GETCPU, 0));

	CHECK_VALUE(child >= 0, child);
	if (child == 0)
		exit_with(load(r->page) != generation - 1);
	store(r->page, generation); /* breaks the sharing: the parent has a new page */
	EXPECT(syscall1(SYS_JOIN, (u64)child), 0);
}

/* Fresh zeroes at the page's address, which are to hold the new generation. */
static void fill(const struct relay *r, u64 generation)
{
	CHECK_VALUE(load(r->page) == 0, load(r->page));
	store(r->page, generation);
}

/*
 * `spare` has never been touched. It takes the frame that the page has lost: else the
 * page would get it back, and a stale translation would be a right one.
 */
static void replace(struct relay *r, u64 generation, u64 spare)
{
	u64 to;

	switch (r->way) {
	case RELAY_UNMAP:
		EXPECT(syscall3(SYS_MUNMAP, r->page, PAGE_SIZE, 0), 0);
		EXPECT(syscall5(SYS_MMAP, r->page, PAGE_SIZE, RW, 0, 0), r->page);
		store(spare, ~generation);
		fill(r, generation);
		break;
	case RELAY_DONTNEED:
		EXPECT(syscall3(SYS_DONTNEED, r->page, PAGE_SIZE, 0), 0);
		store(spare, ~generation);
		fill(r, generation);
		break;
	case RELAY_MOVE:
		to = MAP(PAGE_SIZE, 0);
		EXPECT(syscall3(SYS_MUNMAP, to, PAGE_SIZE, 0), 0);
		EXPECT(syscall3(SYS_MREMAP, r->page, PAGE_SIZE, to), 0);
		EXPECT(syscall5(SYS_MMAP, r->page, PAGE_SIZE, RW, 0, 0), r->page);
		fill(r, generation);
		EXPECT(syscall3(SYS_MUNMAP, to, PAGE_SIZE, 0), 0);
		break;
	case RELAY_COW:
		replace_by_fork(r, generation);
		break;
	default:
		exit_with(__LINE__);
	}
}

static void lead(struct relay *r)
{
	u64 spares = MAP((r->rounds + 1) * PAGE_SIZE, 0);

	r->page = MAP(PAGE_SIZE, 0);
	store(r->page, 1);
	for (u64 g = 1; g <= r->rounds; g++) {
		if (g > 1)
			replace(r, g, spares + g * PAGE_SIZE);
		__atomic_store_n(&r->seen, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&r->generation, g, __ATOMIC_RELEASE);
		wait_until(&r->seen, r->members - 1);
	}
	__atomic_store_n(&r->generation, ~0ul, __ATOMIC_RELEASE);
}

static void follow(struct relay *r)
{
	u64 last = 0;

	for (u64 polls = 0;; polls++) {
		u64 g = get(&r->generation);

		if (g == ~0ul)
			return;
		if (g == last) {
			if (polls % 64 == 63)
				syscall1(SYS_YIELD, 0);
			continue;
		}
		if (load(r->page) != g)
			__atomic_add_fetch(&r->stale, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&r->checked, 1, __ATOMIC_RELAXED);
		last = g;
		__atomic_add_fetch(&r->seen, 1, __ATOMIC_RELEASE);
	}
}

/* The argument: the address of a struct relay that all members share. */
_Noreturn void relay(u64 arg)
{
	struct relay *r = (struct relay *)arg;

	if (__atomic_fetch_add(&r->joined, 1, __ATOMIC_SEQ_CST) == 0)
		lead(r);
	else
		follow(r);
	exit_with(0);
}
