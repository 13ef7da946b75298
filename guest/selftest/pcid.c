/* SPDX-License-Identifier: BSD-2-Clause */
/* Address spaces that this CPU leaves and comes back to: mm/pcid.h. */
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/exit.h"
#include "guest/mm/fault.h"
#include "guest/mm/map.h"
#include "guest/mm/page.h"
#include "guest/mm/switch.h"
#include "guest/selftest/selftest.h"

#define MMS    (2 * MM_PCIDS + 1) /* more than a CPU keeps */
#define ROUNDS 50u

static bool reads(u64 expected)
{
	u64 value;

	return try_read64((const void *)SELFTEST_VA, &value) == 0 && value == expected;
}

static void mark(u64 value)
{
	if (try_write64((void *)SELFTEST_VA, value))
		panic("selftest: a mapped page cannot be written to");
}

/* Nobody flushes a CPU that has left; it sees to that itself. */
static void check_return(void)
{
	struct mm *mm = selftest_make_mm(1), *other = selftest_make_mm(1);
	u64 value, stale = 0;

	for (u32 i = 1; i <= ROUNDS; i++) {
		if (mm_fault(mm, SELFTEST_VA, ACCESS_WRITE))
			panic("selftest: no memory for a page");
		mm_use(mm);
		mark(i);
		mm_use(other);
		if (mm_unmap(mm, SELFTEST_VA, PAGE_SIZE) ||
		    mm_map(mm, SELFTEST_VA, PAGE_SIZE, PROT_WRITE, 0) != (s64)SELFTEST_VA)
			panic("selftest: an mm cannot be mapped anew");
		mm_use(mm);
		stale += try_read64((const void *)SELFTEST_VA, &value) == 0 && value == i;
	}
	mm_put(mm);
	mm_use(other);
	mm_put(other);
	ktap_ok(!stale, "unmapped while this CPU was elsewhere: %lu stale of %u", stale, ROUNDS);
}

static void check_many(void)
{
	struct mm *mm[MMS];
	u64 wrong = 0;

	for (u32 i = 0; i < MMS; i++) {
		mm[i] = selftest_make_mm(1);
		mm_use(mm[i]);
		mark(i);
	}
	for (u32 i = 0; i < ROUNDS * MMS; i++) {
		u32 n = i / MMS % 2 ? i % MMS : i * 5 % MMS;

		mm_use(mm[n]);
		wrong += !reads(n);
	}
	for (u32 i = 0; i < MMS; i++)
		mm_put(mm[i]);
	ktap_ok(!wrong, "%u mms in turn, %u PCIDs: %lu of %u reads are another's", MMS,
		this_mm_cpu()->pcids, wrong, ROUNDS * MMS);
}

/* A new mm is where the dead one was, with its root. */
static void check_reuse(void)
{
	struct mm *last = NULL;
	u32 again = 0;
	u64 wrong = 0;

	for (u32 i = 1; i <= ROUNDS; i++) {
		struct mm *mm = selftest_make_mm(1);

		again += mm == last;
		last = mm;
		mm_use(mm);
		wrong += !reads(0);
		mark(i);
		mm_put(mm);
		exit_wait_reaped();
	}
	ktap_ok(!wrong, "mms one after the other, %u in the last one's place: %lu stale of %u",
		again, wrong, ROUNDS);
}

void selftest_pcid(void)
{
	u64 before = page_free_count();

	check_return();
	check_many();
	check_reuse();
	exit_wait_reaped();
	ktap_ok(page_free_count() == before, "all %lu pages are free again", before);
}
