/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suite `bench-mm`: what memory management costs with each scheme that can be chosen.
 *
 *   gup-1, gup-16  gup_fast_only() of so many pages for writing   seq, counter, irqoff, rcu
 *   exit           the end of a 64 MiB mm that ran on 4 CPUs, of which 2 are lazy, until
 *                  its last page is free                          batch, fullmm, cr3ref, detach
 *   munmap         2 MiB of small pages with their table, 3 CPUs running the mm
 *   munmap-16      16 calls for a page each, their table stays: waited; posted, until the last one
 *                  returns; posted-done, until the pages are free
 *   vmap           one area freed and one allocated, 256 pages half full
 *   fence, flush   of 3 running CPUs
 *
 * munmap, vmap, fence and flush have the flush backend's name. Ticks are stopped: what is counted
 * is the call. Command line: backend=NAME, samples=N,
 * cases=gup,exit,detach,munmap,posted,vmap,fence.
 */
#include "guest/bench/recorder.h"
#include "guest/conform/bring_up.h"
#include "guest/cpu/irq.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/flush/flush.h"
#include "guest/flush/ring.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/exit.h"
#include "guest/mm/fault.h"
#include "guest/mm/gup.h"
#include "guest/mm/held.h"
#include "guest/mm/map.h"
#include "guest/mm/page.h"
#include "guest/mm/switch.h"
#include "guest/mm/vmap.h"
#include "guest/mm/walk.h"
#include "guest/selftest/crew.h"
#include "guest/suites.h"

#define BASE	     0x40000000ul
#define GUP_PAGES    16u
#define EXIT_BYTES   (64ul << 20)
#define EXIT_SAMPLES 5u /* at most: each one fills 64 MiB */
#define MM_CPUS	     4u
#define LAZY_CPUS    2u
#define VMAP_PAGES   256u

/* The caller is the only user of what it gets; every page of the range is there and writable. */
static struct mm *populated(u64 bytes)
{
	struct mm *mm = mm_create();

	if (!mm || mm_map(mm, BASE, bytes, PROT_READ | PROT_WRITE, 0) < 0)
		panic("bench-mm: no memory for an mm");
	for (u64 va = BASE; va < BASE + bytes; va += PAGE_SIZE) {
		if (mm_fault(mm, va, ACCESS_WRITE))
			panic("bench-mm: no memory for %lu KiB", bytes >> 10);
	}
	return mm;
}

static void time_gup(struct recorder *r, struct mm *mm, const char *scheme, u32 pages)
{
	paddr_t pinned[GUP_PAGES];
	char name[16];

	snprintf(name, sizeof(name), "gup-%u", pages);
	recorder_begin(r, name, scheme, 0);
	for (u32 i = 0; i < r->samples; i++) {
		recorder_start(r);
		u32 got = gup_fast_only(mm, BASE, pages, GUP_WRITE, pinned);

		recorder_stop(r);
		gup_unpin(pinned, got);
		if (got != pages)
			panic("bench-mm: gup %s took %u pages of %u", scheme, got, pages);
	}
	recorder_end(r);
}

static void bench_gup(struct recorder *r)
{
	static const char *const schemes[] = { "irqoff", "rcu", "counter", "seq" };
	struct mm *mm = populated(GUP_PAGES * PAGE_SIZE);

	for (u32 i = 0; i < ARRAY_SIZE(schemes); i++) {
		/* Nobody unmaps here, so irqoff is safe with any flush. */
		const char *why_not = walk_set_scheme(schemes[i], true);

		if (why_not) {
			ktap_skip("gup %s: %s", schemes[i], why_not);
			continue;
		}
		time_gup(r, mm, schemes[i], 1);
		time_gup(r, mm, schemes[i], GUP_PAGES);
	}
	mm_put(mm);
}

/* Runs on a crew CPU: walks through the mm, which then stays in its CR3, lazily. */
static u64 run_in(void *arg)
{
	u64 sum = 0, value;

	mm_use(arg);
	for (u64 va = BASE; va < BASE + EXIT_BYTES; va += EXIT_BYTES / 64)
		sum += try_read64((const void *)va, &value);
	mm_disuse();
	return sum;
}

/* What a CPU does that goes idle or to another process: at most one CR3 load. */
static u64 leave_root(void *arg)
{
	(void)arg;
	exit_leave_root();
	return 0;
}

/* The 64 MiB have been used by MM_CPUS CPUs; the caller's uses them still, LAZY_CPUS do lazily. */
static struct mm *exiting_mm(void)
{
	struct mm *mm = populated(EXIT_BYTES);

	for (u32 cpu = 1; cpu < MM_CPUS; cpu++) {
		if (crew_ask(cpu, run_in, mm))
			panic("bench-mm: CPU %u cannot read the mm", cpu);
		if (cpu > LAZY_CPUS)
			crew_ask(cpu, leave_root, NULL);
	}
	mm_use(mm);
	return mm;
}

/*
 * The lazy CPUs go their way right after the exit call, with every strategy; cr3ref
 * frees when the second one has gone, the others before.
 */
static void time_exit(struct recorder *r, const char *strategy)
{
	struct exit_counters c;

	if (!exit_set_strategy(strategy))
		panic("bench-mm: no strategy %s", strategy);
	recorder_begin(r, "exit", strategy, LAZY_CPUS);
	for (u32 i = 0; i < MIN(r->samples, EXIT_SAMPLES); i++) {
		struct mm *mm = exiting_mm();

		recorder_start(r);
		mm_put(mm);
		for (u32 cpu = 1; cpu <= LAZY_CPUS && exit_pending(); cpu++)
			crew_ask(cpu, leave_root, NULL);
		exit_wait_reaped();
		recorder_stop(r);
	}
	recorder_end(r);
	exit_counters(&c);
	ktap_diag("exit %s: %lu CPUs moved by %lu detaches so far", strategy, c.moved, c.detaches);
}

static void bench_exit(struct recorder *r)
{
	time_exit(r, "batch");
	time_exit(r, "fullmm");
	time_exit(r, "cr3ref");
}

static void bench_detach(struct recorder *r)
{
	if (flush_backend()->detach)
		time_exit(r, "detach");
	else
		ktap_skip("exit, detach: the backend has no such call");
	exit_set_strategy("cr3ref");
}

static u64 enter_mm(void *arg)
{
	mm_use(arg);
	return 0;
}

static u64 leave_mm(void *arg)
{
	(void)arg;
	mm_disuse();
	return leave_root(NULL);
}

static void bench_munmap(struct recorder *r)
{
	struct mm *mm = populated(LARGE_PAGE_SIZE);

	crew_ask_all(enter_mm, mm);
	recorder_begin(r, "munmap", flush_backend()->name, cpu_count() - 1);
	for (u32 i = 0; i < r->samples; i++) {
		recorder_start(r);
		s64 failed = mm_unmap(mm, BASE, LARGE_PAGE_SIZE);

		recorder_stop(r);
		if (failed || walk_backlog())
			panic("bench-mm: munmap returned %ld, %lu tables wait", (long)failed,
			      walk_backlog());
		mm_map(mm, BASE, LARGE_PAGE_SIZE, PROT_READ | PROT_WRITE, 0);
		for (u64 va = BASE; va < BASE + LARGE_PAGE_SIZE; va += PAGE_SIZE)
			mm_fault(mm, va, ACCESS_WRITE);
	}
	recorder_end(r);
	crew_ask_all(leave_mm, NULL);
	mm_put(mm);
}

#define CALLS 16u

static void refill(struct mm *mm)
{
	held_drain();
	if (mm_map(mm, BASE, CALLS * PAGE_SIZE, PROT_READ | PROT_WRITE, 0) < 0)
		panic("bench-mm: the pages cannot be mapped again");
	for (u32 i = 0; i < CALLS; i++)
		mm_fault(mm, BASE + i * PAGE_SIZE, ACCESS_WRITE);
}

static void time_munmaps(struct recorder *r, struct mm *mm, const char *how, bool until_done)
{
	recorder_begin(r, "munmap-16", how, cpu_count() - 1);
	for (u32 i = 0; i < r->samples; i++) {
		u32 polls = 0;
		s64 failed = 0;

		while (!ring_idle())
			cpu_poll(&polls);
		recorder_start(r);
		for (u32 page = 0; page < CALLS; page++)
			failed |= mm_unmap(mm, BASE + page * PAGE_SIZE, PAGE_SIZE);
		if (until_done)
			held_drain();
		recorder_stop(r);
		if (failed)
			panic("bench-mm: munmap returned %ld", (long)failed);
		refill(mm);
	}
	recorder_end(r);
}

static void bench_posted(struct recorder *r)
{
	struct held_counters h;
	struct mm *mm;

	if (!ring_available()) {
		ktap_skip("munmap-16: backend %s has no ring", flush_backend()->name);
		return;
	}
	mm = populated(LARGE_PAGE_SIZE);
	crew_ask_all(enter_mm, mm);
	time_munmaps(r, mm, "waited", false);
	held_set_munmap("posted");
	time_munmaps(r, mm, "posted", false);
	time_munmaps(r, mm, "posted-done", true);
	held_set_munmap("waited");
	held_counters(&h);
	ktap_diag("%lu munmaps posted, %lu not: full; %lu waited for", h.posted, h.full, h.waited);
	crew_ask_all(leave_mm, NULL);
	mm_put(mm);
}

static void *vmap_one(paddr_t page)
{
	void *area = vmap(&page, 1);

	if (!area)
		panic("bench-mm: no room for an area");
	return area;
}

static void bench_vmap(struct recorder *r)
{
	static void *area[VMAP_PAGES / 2];
	struct vmap_counters before, after;
	paddr_t page = page_alloc();

	for (u32 i = 0; i < ARRAY_SIZE(area); i++)
		area[i] = vmap_one(page);
	vmap_counters(&before);
	recorder_begin(r, "vmap", flush_backend()->name, cpu_count() - 1);
	for (u32 i = 0; i < r->samples; i++) {
		void **one = &area[recorder_random(r) % ARRAY_SIZE(area)];

		recorder_start(r);
		vunmap(*one, 1);
		*one = vmap_one(page);
		recorder_stop(r);
	}
	recorder_end(r);
	vmap_counters(&after);
	/* Nobody else flushes meanwhile: each address waits until they all do. */
	ktap_ok(after.frees - before.frees >= 100 * (after.flushes - before.flushes),
		"vmap: %lu frees, %lu flushes", after.frees - before.frees,
		after.flushes - before.flushes);
	for (u32 i = 0; i < ARRAY_SIZE(area); i++)
		vunmap(area[i], 1);
	vmap_flush();
	page_free(page);
}

static void bench_fence(struct recorder *r)
{
	struct cpumask others = *cpus_online();
	struct flush_request req = { .nr_ranges = 1, .ranges = { { BASE, 1 } } };

	cpumask_clear(&others, cpu_id());
	req.targets = others;
	recorder_begin(r, "flush", flush_backend()->name, cpu_count() - 1);
	for (u32 i = 0; i < r->samples; i++) {
		recorder_start(r);
		flush_tlb(&req);
		recorder_stop(r);
	}
	recorder_end(r);
	if (!flush_fence(&others)) {
		ktap_skip("fence: the backend has no such call");
		return;
	}
	recorder_begin(r, "fence", flush_backend()->name, cpu_count() - 1);
	for (u32 i = 0; i < r->samples; i++) {
		recorder_start(r);
		flush_fence(&others);
		recorder_stop(r);
	}
	recorder_end(r);
}

int suite_bench_mm(void)
{
	static const struct {
		const char *word;
		void (*run)(struct recorder *r);
	} cases[] = {
		{ "gup", bench_gup },	    { "exit", bench_exit },	{ "detach", bench_detach },
		{ "munmap", bench_munmap }, { "posted", bench_posted }, { "vmap", bench_vmap },
		{ "fence", bench_fence },
	};
	struct recorder *r;

	if (cpu_count() != MM_CPUS)
		panic("bench-mm: needs %u CPUs", MM_CPUS);
	if (!flush_bring_up())
		return ktap_verdict();
	r = recorder_create("mm", (u32)cmdline_u64("samples", 200));
	vmap_init(VMAP_PAGES);
	crew_start();
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cmdline_lists("cases", cases[i].word))
			cases[i].run(r);
	}
	crew_stop();
	return ktap_verdict();
}
