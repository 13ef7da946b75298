/* SPDX-License-Identifier: BSD-2-Clause */
/* Every call on mappings, by itself: what the pages hold afterwards is checked each time. */
#include "guest/user/programs/program.h"

#define PAGES 24u
#define LARGE LARGE_PAGE_SIZE
#define MARK  0x746f756368000000ul

static void small_pages(void)
{
	u64 bytes = PAGES * PAGE_SIZE, va = MAP(bytes, 0), found;

	CHECK_VALUE(zeroed_all(va, PAGES, &found), found);
	stamp_all(va, PAGES, MARK);
	EXPECT(syscall3(SYS_MPROTECT, va, bytes, PROT_READ), 0);
	CHECK_VALUE(stamped_all(va, PAGES, MARK, &found), found);
	EXPECT(syscall3(SYS_MPROTECT, va, bytes, RW), 0);
	stamp_all(va, PAGES, MARK + 1);
	CHECK_VALUE(stamped_all(va, PAGES, MARK + 1, &found), found);
	EXPECT(syscall3(SYS_DONTNEED, va + PAGE_SIZE, bytes - PAGE_SIZE, 0), 0);
	CHECK_VALUE(stamped_all(va, 1, MARK + 1, &found), found);
	CHECK_VALUE(zeroed_all(va + PAGE_SIZE, PAGES - 1, &found), found);
	EXPECT(syscall3(SYS_MUNMAP, va, bytes, 0), 0);
	EXPECT(syscall3(SYS_MPROTECT, va, bytes, RW), -ENOMEM);
	EXPECT(syscall5(SYS_MMAP, va, bytes, RW, 0, 0), va);
	CHECK_VALUE(zeroed_all(va, PAGES, &found), found);
	EXPECT(syscall3(SYS_MUNMAP, va, bytes, 0), 0);
}

static void moved_pages(void)
{
	u64 bytes = PAGES * PAGE_SIZE, va = MAP(bytes, 0), to = MAP(bytes, 0), found;

	stamp_all(va, PAGES, MARK);
	EXPECT(syscall3(SYS_MREMAP, va, bytes, to), -EINVAL); /* taken */
	EXPECT(syscall3(SYS_MUNMAP, to, bytes, 0), 0);
	EXPECT(syscall3(SYS_MREMAP, va, bytes, to), 0);
	CHECK_VALUE(stamped_all(to, PAGES, MARK, &found), found);
	EXPECT(syscall5(SYS_MMAP, va, bytes, RW, 0, 0), va);
	CHECK_VALUE(zeroed_all(va, PAGES, &found), found);
	EXPECT(syscall3(SYS_MUNMAP, va, bytes, 0), 0);
	EXPECT(syscall3(SYS_MUNMAP, to, bytes, 0), 0);
}

/* A large page, cut by protection in the middle, with a hole, and gone. */
static void large_page(void)
{
	u64 va = MAP(2 * LARGE, MAP_HUGE), pages = 2ul * PT_ENTRIES, found;
	u64 hole = va + LARGE / 2;

	CHECK_VALUE(va % LARGE == 0, va);
	CHECK_VALUE(zeroed_all(va, pages, &found), found);
	stamp_all(va, pages, MARK);
	EXPECT(syscall3(SYS_MPROTECT, va + PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	CHECK_VALUE(stamped_all(va, pages, MARK, &found), found);
	EXPECT(syscall3(SYS_MUNMAP, hole, LARGE, 0), 0);
	CHECK_VALUE(stamped_all(va, PT_ENTRIES / 2, MARK, &found), found);
	CHECK_VALUE(stamped_all(hole + LARGE, PT_ENTRIES / 2,
				MARK + (pages - PT_ENTRIES / 2) * STAMPS, &found),
		    found);
	EXPECT(syscall5(SYS_MMAP, hole, LARGE, RW, 0, 0), hole);
	CHECK_VALUE(zeroed_all(hole, PT_ENTRIES, &found), found);
	EXPECT(syscall3(SYS_MUNMAP, va, 2 * LARGE, 0), 0);
}

static void collapsed_page(void)
{
	u64 area = MAP(2 * LARGE, 0), va = ALIGN_UP(area, LARGE), found;

	stamp_all(va, PT_ENTRIES / 2, MARK); /* the other half: holes */
	EXPECT(syscall1(SYS_COLLAPSE, va), 0);
	CHECK_VALUE(stamped_all(va, PT_ENTRIES / 2, MARK, &found), found);
	CHECK_VALUE(zeroed_all(va + LARGE / 2, PT_ENTRIES / 2, &found), found);
	stamp_all(va, PT_ENTRIES, MARK + 2);
	CHECK_VALUE(stamped_all(va, PT_ENTRIES, MARK + 2, &found), found);
	EXPECT(syscall3(SYS_MUNMAP, area, 2 * LARGE, 0), 0);
}

/* Reports the CPU it has run on. The argument: rounds. */
_Noreturn void touch(u64 rounds)
{
	for (u64 i = 0; i < rounds; i++) {
		small_pages();
		moved_pages();
		large_page();
		collapsed_page();
	}
	report((u64)syscall1(SYS_GETCPU, 0));
	exit_with(0);
}
