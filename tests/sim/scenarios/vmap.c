/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel addresses that are flushed no sooner than they are used again. */
#include "guest/cpu/memory.h"
#include "guest/flush/flush.h"
#include "guest/lib/errno.h"
#include "guest/mm/kernel_range.h"
#include "guest/mm/pgtable.h"
#include "guest/mm/table.h"
#include "guest/mm/vmap.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

#define NOWHERE (VMAP_BASE + (1ul << 38)) /* kernel addresses that nothing is mapped at */

static struct mm *a, *b;

/* The arena has four pages: the third round at the latest uses one again. */
static void come_and_go(void *pages)
{
	u32 n = (u32)(u64)pages;
	paddr_t page[2] = { page_alloc(), page_alloc() };

	for (int i = 0; i < 3; i++) {
		void *va = vmap(page, n);

		if (va)
			vunmap(va, n);
	}
	vmap_flush();
	page_put(page[0]);
	page_put(page[1]);
}

static void user(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		user_store(VA_A, 1);
		thread_yield();
	}
}

static void kernel(void *arg)
{
	(void)arg;
	for (int i = 0; i < 4; i++)
		mem_load(&scene_word[0]);
}

static void set_up_reuse(void)
{
	scene_thread(0, "vmap", NULL, come_and_go, (void *)2);
	scene_thread(1, "vmap", NULL, come_and_go, (void *)1);
	scene_thread(2, "kernel", NULL, kernel, NULL);
}

static void both(void)
{
	a = scene_mm("A");
	scene_map(a, VA_A, 1, PROT_WRITE);
	b = scene_mm("B");
	scene_map(b, VA_A, 1, PROT_WRITE);
}

/* Flushes happen for other reasons: a change of CR3 at each switch. */
static void set_up_incidental(void)
{
	both();
	scene_thread(0, "vmap", NULL, come_and_go, (void *)1);
	scene_thread(1, "a1", a, user, NULL);
	scene_thread(1, "b1", b, user, NULL);
	scene_thread(2, "vmap", NULL, come_and_go, (void *)2);
}

/* Nothing but incidental flushes: no page is given away. */
static void use_again(void *arg)
{
	paddr_t page[3] = { page_alloc(), page_alloc(), page_alloc() };

	(void)arg;
	for (unsigned i = 0; i < 6; i++) {
		void *va = vmap(&page[i % 3], 1);

		EXPECT(va);
		vunmap(va, 1);
		thread_yield();
	}
	vmap_flush();
	for (unsigned i = 0; i < 3; i++)
		page_put(page[i]);
}

static void set_up_only_incidental(void)
{
	both();
	scene_thread(0, "vmap", a, use_again, NULL);
	scene_thread(0, "b0", b, user, NULL);
	scene_thread(1, "a1", a, user, NULL);
	scene_thread(1, "b1", b, user, NULL);
}

/* One CPU is flushed by ranges only: that is no flush of these addresses. */
static void flush_ranges(void *arg)
{
	paddr_t page[2] = { page_alloc(), page_alloc() };

	(void)arg;
	for (unsigned i = 0; i < 5; i++) {
		void *va = vmap(&page[i % 2], 1);

		EXPECT(va);
		vunmap(va, 1);
		user_store(VA_A, 1);
		EXPECT(mm_dontneed(a, VA_A, PAGE_SIZE) == 0);
		thread_yield();
	}
	vmap_flush();
	page_put(page[0]);
	page_put(page[1]);
}

static void stay(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++)
		mem_load(&scene_word[0]);
}

static void set_up_ranges(void)
{
	both();
	scene_thread(0, "vmap", a, flush_ranges, NULL);
	scene_thread(0, "b0", b, user, NULL);
	scene_thread(1, "a1", a, stay, NULL);
}

/* The host counts what it flushes: ranges of two mms, at any time, for two initiators. */
static void drop_pages(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		user_store(VA_A, 1);
		EXPECT(mm_dontneed(a, VA_A, PAGE_SIZE) == 0);
	}
}

static void vmap_some(void *arg)
{
	paddr_t page[3] = { page_alloc(), page_alloc(), page_alloc() };

	(void)arg;
	for (unsigned i = 0; i < 6; i++) {
		void *va = vmap(&page[i % 3], 1);

		EXPECT(va);
		vunmap(va, 1);
	}
	vmap_flush();
	for (unsigned i = 0; i < 3; i++)
		page_put(page[i]);
}

static void set_up_counted(void)
{
	sim.host_counts = true;
	both();
	scene_thread(0, "vmap", a, vmap_some, NULL);
	scene_thread(1, "drop", a, drop_pages, NULL);
	scene_thread(2, "stay", a, stay, NULL);
}

/* Permissions of kernel addresses: none outlives the call that takes it away. */
static void none_writes(unsigned cpu, const struct sim_edge *e, unsigned n, u64 va)
{
	for (; n; n--, e++)
		if (e->leaf && e->va == va && e->value & PTE_WRITE)
			sim_fail("I5: CPU %u may still write to %#lx", cpu, va);
}

static void no_edge_writes(u64 va)
{
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
		const struct sim_cpu *c = &sim.cpu[cpu];

		none_writes(cpu, c->edge, c->edges, va);
		for (unsigned pcid = 0; pcid <= sim.pcids; pcid++)
			none_writes(cpu, c->aside[pcid].edge, c->aside[pcid].edges, va);
	}
}

static pte_t *kernel_entry(u64 va)
{
	return pt_slot(pt_kernel_root(), va, 1);
}

/* As those of the image are, or known by each PCID as those of the arena. */
static void make_global(u64 va, bool global)
{
	struct flush_request all = { .targets = *cpus_online(), .flags = FLUSH_GLOBALS };
	pte_t e = pte_read(kernel_entry(va)) & ~PTE_GLOBAL;

	pte_write(kernel_entry(va), e | (global ? PTE_GLOBAL : 0));
	flush_tlb(&all);
}

/* One range, or more than a request holds, the other page last. */
static void protect(void *arg)
{
	paddr_t page[2] = { page_alloc(), page_alloc() };
	struct flush_range r[FLUSH_MAX_RANGES + 1];
	u64 va = (u64)vmap(page, 2), other = va + PAGE_SIZE;
	unsigned n = sim_choose(2) ? 1 : ARRAY_SIZE(r);

	(void)arg;
	for (unsigned i = 0; i < n; i++)
		r[i] = (struct flush_range){ va, 1 };
	r[n - 1].start = other;
	make_global(other, sim_choose(2));
	EXPECT(kernel_range_protect(r, n, PTE_WRITE, 0) == 0);
	no_edge_writes(other);
	EXPECT(kernel_range_protect(r, n, 0, PTE_WRITE) == 0);
	r[n - 1].start = NOWHERE;
	EXPECT(kernel_range_protect(r, n, PTE_WRITE, 0) == -EINVAL);
	EXPECT(pte_read(kernel_entry(va)) & PTE_WRITE);
	make_global(other, false);
	vunmap((void *)va, 2);
	vmap_flush();
	page_put(page[0]);
	page_put(page[1]);
}

static void set_up_protect(void)
{
	both();
	scene_thread(0, "protect", NULL, protect, NULL);
	scene_thread(1, "a1", a, user, NULL);
	scene_thread(1, "b1", b, user, NULL);
}

const struct sim_scenario vmap_scenarios[] = {
	{ .name = "vmap-reuse",
	  .what = "two CPUs trade four addresses",
	  .cpus = 3,
	  .setup = set_up_reuse },
	{ .name = "vmap-incidental",
	  .what = "while a third one switches address spaces",
	  .cpus = 3,
	  .setup = set_up_incidental },
	{ .name = "vmap-switches",
	  .what = "all CPUs switch address spaces",
	  .cpus = 2,
	  .setup = set_up_only_incidental },
	{ .name = "vmap-ranges",
	  .what = "flushes by ranges are not incidental ones",
	  .cpus = 2,
	  .setup = set_up_ranges },
	{ .name = "vmap-counted",
	  .what = "flushes that the host counts on the state page",
	  .cpus = 3,
	  .flush = "hyperflush",
	  .setup = set_up_counted },
	{ .name = "vmap-protect",
	  .what = "kernel_range_protect()",
	  .cpus = 2,
	  .setup = set_up_protect },
	{ 0 },
};
