/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel addresses whose flush is deferred: mm/flush_clock.h, mm/vmap.h. */
#include "guest/mm/vmap.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/tlb.h"
#include "guest/cpu/trap.h"
#include "guest/flush/flush.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/flush_clock.h"
#include "guest/mm/page.h"
#include "guest/selftest/crew.h"
#include "guest/selftest/selftest.h"

#define ARENA	     256u
#define LIVE	     (ARENA / 2)
#define STEPS	     5000u
#define REUSE_ROUNDS 200u
#define REUSE_SPARE  4u /* addresses that are not taken for good */
#define TICKS	     1000u

static u64 tick_upwards(void *arg)
{
	u64 last = mem_load(&this_mm_cpu()->flushed_at), wrong = 0;

	(void)arg;
	for (u32 i = 0; i < TICKS; i++) {
		u64 stamp = flush_clock_stamp(), at;

		tlb_flush_user();
		at = mem_load(&this_mm_cpu()->flushed_at);
		wrong += at <= last || at <= stamp;
		last = at;
	}
	return wrong;
}

static bool only_missing(const struct cpumask *stale, u32 cpu)
{
	return cpumask_weight(stale) == cpu_count() - 1 && !cpumask_test(stale, cpu);
}

void selftest_flush_clock(void)
{
	struct flush_request all = { .targets = *cpus_online() };
	struct cpumask stale;
	u64 stamp, wrong;

	crew_start();
	wrong = tick_upwards(NULL) + crew_ask_all(tick_upwards, NULL);
	ktap_ok(!wrong, "each flush of a CPU is later than the one before: %lu are not", wrong);
	stamp = flush_clock_stamp();
	flush_clock_stale(stamp, &stale);
	ktap_ok(cpumask_equal(&stale, cpus_online()) && flush_clock_horizon() <= stamp,
		"nobody has flushed since now");
	tlb_flush_user();
	flush_clock_stale(stamp, &stale);
	ktap_ok(only_missing(&stale, cpu_id()), "one that flushes drops out");
	tlb_flush_all();
	flush_tlb(&all);
	flush_clock_stale(stamp, &stale);
	ktap_ok(cpumask_empty(&stale) && flush_clock_horizon() > stamp,
		"a flush of all serves all, whoever carries it out");
	crew_stop();
}

/* xorshift64 (Marsaglia): the same areas in every run. */
static u64 next_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static paddr_t frames[ARENA]; /* each holds its own address */
static u64 *areas[ARENA];     /* of one page; area i maps frame i */

static bool map_area(u32 i)
{
	areas[i] = vmap(&frames[i], 1);
	return areas[i] != NULL;
}

static void unmap_area(u32 i)
{
	vunmap(areas[i], 1);
	areas[i] = NULL;
}

static void make_frames(void)
{
	for (u32 i = 0; i < ARENA; i++) {
		frames[i] = page_alloc();
		ASSERT(frames[i] != PADDR_NONE);
		*(u64 *)phys_to_virt(frames[i]) = frames[i];
	}
}

static u32 right_areas(void)
{
	u32 right = 0;

	for (u32 i = 0; i < ARENA; i++)
		right += areas[i] && *(volatile u64 *)areas[i] == frames[i];
	return right;
}

static bool shows_all(const volatile u64 *area)
{
	bool right = true;

	for (u32 i = 0; i < ARENA; i++)
		right &= area[i * (PAGE_SIZE / sizeof(*area))] == frames[i];
	return right;
}

static void fill_and_empty(void)
{
	u64 *area, value;
	u32 mapped = 0;

	for (u32 i = 0; i < ARENA; i++)
		mapped += map_area(i);
	ktap_ok(mapped == ARENA && right_areas() == ARENA, "%u areas of one page show their pages",
		mapped);
	ktap_ok(!vmap(frames, 1), "a full arena has no place for another");
	for (u32 i = 0; i < ARENA; i++)
		unmap_area(i);
	area = vmap(frames, ARENA);
	ktap_ok(area && shows_all(area), "one area of %u pages shows them in order", ARENA);
	vunmap(area, ARENA);
	vmap_flush();
	ktap_ok(try_read64(area, &value) == TRAP_PF, "it is gone after vmap_flush()");
}

static u32 pick(u64 *random, bool mapped)
{
	u32 i;

	do {
		i = (u32)(next_random(random) % ARENA);
	} while ((areas[i] != NULL) != mapped);
	return i;
}

static u64 targets_so_far(void)
{
	struct flush_counters c;

	flush_counters_sum(&c);
	return c.targets;
}

/* Somebody flushes a range on all other CPUs, every so many steps; 0: nobody does. How many
 * targets. */
static u64 flush_range(u32 step, u32 every)
{
	struct flush_request req = { .targets = *cpus_online(),
				     .nr_ranges = 1,
				     .ranges = { { SELFTEST_VA, 1 } } };

	if (!every || step % every)
		return 0;
	flush_tlb(&req);
	return cpu_count() - 1;
}

/* Areas come and go at random, half of them there at a time. Targets of vmap's own flushes. */
static u64 come_and_go(u32 every)
{
	u64 random = 0x9e3779b97f4a7c15ul, frees, flushes, targets = targets_so_far();
	struct vmap_counters c0, c1;
	u32 wrong = 0;

	for (u32 i = 0; i < LIVE; i++)
		ASSERT(map_area(i));
	vmap_flush();
	vmap_counters(&c0);
	for (u32 step = 0; step < STEPS; step++) {
		u32 i = pick(&random, false);

		unmap_area(pick(&random, true));
		targets += flush_range(step, every);
		if (!map_area(i) || *(volatile u64 *)areas[i] != frames[i])
			wrong++;
	}
	vmap_counters(&c1);
	frees = c1.frees - c0.frees;
	flushes = c1.flushes - c0.flushes;
	ktap_ok(!wrong && right_areas() == LIVE, "%u areas come and go: %u are wrong", STEPS,
		wrong);
	ktap_ok(frees == STEPS && (flushes || every) && frees >= 100 * flushes,
		"%lu frees for %lu flushes", frees, flushes);
	for (u32 i = 0; i < ARENA; i++) {
		if (areas[i])
			unmap_area(i);
	}
	return targets_so_far() - targets;
}

/* The VMM flushes everything where it is asked for a range, and says so: that serves vmap too. */
static void come_and_go_counted(void)
{
	u64 alone = come_and_go(0), beside;

	if (flush_backend()->id != HF_BACKEND_HYPERFLUSH) {
		ktap_skip("flushes that the host counts: backend %s has none",
			  flush_backend()->name);
		return;
	}
	beside = come_and_go(LIVE / 8);
	ktap_ok(alone && 4 * beside <= alone,
		"flushes that the host counts: vmap has %lu targets beside them, %lu without",
		beside, alone);
}

struct expectation {
	const volatile u64 *at;
	u64 value;
};

static u64 finds_other(void *arg)
{
	const struct expectation *e = arg;

	return *e->at != e->value;
}

/* Few addresses: each is soon used again, and every CPU has used what it showed before. */
static void reuse(void)
{
	u64 stale = 0;

	for (u32 i = REUSE_SPARE; i < ARENA; i++)
		ASSERT(map_area(i));
	crew_start();
	for (u32 round = 0; round < REUSE_ROUNDS; round++) {
		paddr_t frame = frames[round % ARENA];
		struct expectation e = { vmap(&frame, 1), frame };

		ASSERT(e.at);
		stale += crew_ask_all(finds_other, &e) + finds_other(&e);
		vunmap((void *)(u64)e.at, 1);
	}
	crew_stop();
	selftest_stale(stale, REUSE_ROUNDS * (u64)cpu_count(), "addresses used again");
	for (u32 i = REUSE_SPARE; i < ARENA; i++)
		unmap_area(i);
}

void selftest_vmap(void)
{
	vmap_init(ARENA);
	make_frames();
	fill_and_empty();
	come_and_go_counted();
	reuse();
	for (u32 i = 0; i < ARENA; i++)
		page_free(frames[i]);
}
