/* SPDX-License-Identifier: BSD-2-Clause */
/* Permissions of kernel addresses: mm/kernel_range.h. */
#include "guest/mm/kernel_range.h"

#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/lib/errno.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/page.h"
#include "guest/mm/vmap.h"
#include "guest/selftest/crew.h"
#include "guest/selftest/selftest.h"

#define RANGES (FLUSH_MAX_RANGES + 2) /* more than a request can list */

static _Alignas(PAGE_SIZE) u64 image_page[PAGE_SIZE / sizeof(u64)];

struct targets {
	struct flush_range range[RANGES];
	u32 count;
};

/* How many of the ranges this CPU can write to. */
static u64 writable(void *arg)
{
	const struct targets *t = arg;
	u64 n = 0;

	for (u32 i = 0; i < t->count; i++)
		n += try_write64((void *)t->range[i].start, i) == 0;
	return n;
}

static u64 writable_anywhere(struct targets *t)
{
	return writable(t) + crew_ask_all(writable, t);
}

static u64 protect(const struct targets *t, u64 clear, u64 set)
{
	struct flush_counters before, after;
	int result;

	flush_counters_sum(&before);
	result = kernel_range_protect(t->range, t->count, clear, set);
	flush_counters_sum(&after);
	ASSERT(!result);
	return after.flushes - before.flushes;
}

/* Every CPU has written to every range before, so that it has the old permission cached. */
static void check_protect(struct targets *t, u32 count)
{
	u64 all = (u64)count * cpu_count(), stale;
	bool remote = cpu_count() > 1, once = true, nothing = true, back = true;
	u32 tries = 0;

	t->count = count;
	do {
		once &= writable_anywhere(t) == all && protect(t, PTE_WRITE, 0) == remote;
		stale = writable_anywhere(t);
		nothing &= protect(t, PTE_WRITE, 0) == 0;
		back &= protect(t, 0, PTE_WRITE) == remote && writable(t) == count;
	} while (selftest_again(stale, &tries));
	ktap_ok(once, "%u ranges made read-only by %u flush", count, remote);
	selftest_stale(stale, tries * all, "writes to read-only ranges");
	ktap_ok(nothing, "once more: nothing to flush");
	ktap_ok(back, "and writable again");
}

static void check_refusals(void)
{
	static const struct {
		const char *what;
		struct flush_range range;
		u64 clear, set;
	} bad[] = {
		{ "the direct map", { DIRECT_MAP_BASE, 1 }, PTE_WRITE, 0 },
		{ "what is not mapped", { VMAP_BASE + (1ul << 38), 1 }, PTE_WRITE, 0 },
		{ "the lower half", { SELFTEST_VA, 1 }, PTE_WRITE, 0 },
		{ "no page", { (u64)image_page, 0 }, PTE_WRITE, 0 },
		{ "a misaligned address", { (u64)image_page + 8, 1 }, PTE_WRITE, 0 },
		{ "a range that wraps", { (u64)image_page, 1ul << 52 }, PTE_WRITE, 0 },
		{ "other bits", { (u64)image_page, 1 }, PTE_PRESENT, 0 },
		{ "a bit cleared and set", { (u64)image_page, 1 }, PTE_WRITE, PTE_WRITE },
	};

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct flush_range pair[] = { { (u64)image_page, 1 }, bad[i].range };

		ktap_ok(kernel_range_protect(pair, 2, bad[i].clear, bad[i].set) == -EINVAL &&
				try_write64(image_page, 0) == 0,
			"%s is refused, and nothing has changed", bad[i].what);
	}
}

void selftest_kernel_range(void)
{
	paddr_t pages[RANGES - 1];
	struct targets t;
	char *area;

	for (u32 i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = page_alloc_zeroed();
		ASSERT(pages[i] != PADDR_NONE);
	}
	area = vmap(pages, ARRAY_SIZE(pages));
	ASSERT(area);
	t.range[0] = (struct flush_range){ (u64)image_page, 1 }; /* a global entry */
	for (u32 i = 0; i < ARRAY_SIZE(pages); i++)
		t.range[i + 1] = (struct flush_range){ (u64)area + i * PAGE_SIZE, 1 };
	crew_start();
	check_protect(&t, 2);
	check_protect(&t, RANGES);
	crew_stop();
	check_refusals();
	vunmap(area, ARRAY_SIZE(pages));
	vmap_flush();
	for (u32 i = 0; i < ARRAY_SIZE(pages); i++)
		page_free(pages[i]);
}
