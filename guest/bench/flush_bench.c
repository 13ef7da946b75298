/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suite `bench-flush`: what one cross-vCPU flush costs the caller. For each
 * placement: `samples` flushes of one page at random phases against the host's
 * tick, then a pass of evenly spaced flushes for the host's counters. CPU 0
 * flushes CPUs 1 to N, which read through the arena all the time; no tick.
 *
 * Command line: backend=NAME, samples=N, placements=own,over,desched.
 */
#include "guest/conform/bring_up.h"
#include "guest/conform/reader.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/timer.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/harness.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"
#include "guest/suites.h"

#define WARM_UP_FLUSHES 8u

/* With a rival, the host judges only samples taken while the victim was off its CPU. */
#define DESCHEDULED_SAMPLES_FACTOR 3u

struct bench {
	struct readers *readers;
	struct flush_request req;
	u64 generation;
	u64 random;
	struct harness_sample *samples;
};

static const struct placement {
	enum harness_placement id;
	const char *word;
	u32 factor;  /* samples to take for each one asked for */
	u64 gap_us;  /* random wait before each flush: 0 to this; 4 ms is a tick of the host */
	u32 counted; /* flushes of the counted pass: few where each may take a time slice */
} placements[] = {
	{ HARNESS_OWN_CPU, "own", 1, 200, 64 },
	{ HARNESS_OVERCOMMITTED, "over", 1, 4000, 8 },
	{ HARNESS_DESCHEDULED, "desched", DESCHEDULED_SAMPLES_FACTOR, 4000, 8 },
};

/* xorshift64 (Marsaglia): the same phases in every run. */
static u64 random_below(struct bench *b, u64 limit)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return b->random % limit;
}

static void wait_ticks(u64 ticks)
{
	u64 end = rdtsc() + ticks;
	u32 polls = 0;

	while (rdtsc() < end)
		cpu_poll(&polls);
}

static void timed_flush(struct bench *b, struct harness_sample *sample)
{
	struct flush_counters before, after;
	u64 start, end;

	flush_counters_sum(&before);
	readers_prepare(b->readers, ++b->generation);
	start = rdtsc_ordered();
	flush_tlb(&b->req);
	end = rdtsc_ordered();
	readers_publish(b->readers, b->generation);
	flush_counters_sum(&after);
	*sample = (struct harness_sample){
		.start = start,
		.ticks = end - start,
		.guest_ipis = after.ipis - before.ipis,
		.hypercalls = after.hypercalls - before.hypercalls,
		.skipped = after.skipped - before.skipped,
		.waited_ticks = after.waited_ticks - before.waited_ticks,
	};
}

static void take_samples(struct bench *b, u32 count, u64 max_gap)
{
	for (u32 i = 0; i < count; i++) {
		wait_ticks(random_below(b, max_gap));
		timed_flush(b, &b->samples[i]);
	}
}

/* Spaced so that every target is back in the guest before the next flush, else exits merge. */
static void take_counted(struct bench *b, u32 count, struct harness_record *record)
{
	struct harness_stats before, after;
	struct harness_sample unused;
	bool counted = !harness_stats(&before);

	for (u32 i = 0; i < count; i++) {
		wait_ticks(tsc_khz() / 10 * (1 + cpu_count() / 8));
		timed_flush(b, &unused);
	}
	if (harness_stats(&after) || !counted)
		return;
	record->counted_ops = count;
	record->exits = after.exits - before.exits;
	record->kicks = after.kicks - before.kicks;
}

static void measure(struct bench *b, const struct placement *p, u32 count)
{
	struct harness_page page = { .op = HARNESS_RECORD };
	struct harness_record *record = &page.record;

	b->generation = 1;
	readers_start(b->readers);
	take_samples(b, WARM_UP_FLUSHES, tsc_khz() / 10);
	take_samples(b, count, tsc_khz() * p->gap_us / 1000);

	strlcpy(record->suite, "flush", sizeof(record->suite));
	strlcpy(record->name, "flush", sizeof(record->name));
	strlcpy(record->backend, flush_backend()->name, sizeof(record->backend));
	record->targets = cpu_count() - 1;
	record->placement = p->id;
	record->samples_gpa = virt_to_phys(b->samples);
	record->sample_count = count;
	take_counted(b, p->counted, record);
	readers_wait(b->readers, b->generation);

	struct readers_outcome out = readers_stop(b->readers);

	if (harness_call(&page))
		ktap_ok(false, "%s: %s", p->word, page.text);
	else
		ktap_ok(!out.stale, "%s: %u flushes, %lu stale of %lu checked", p->word, count,
			out.stale, out.checked);
}

static void bench_placement(struct bench *b, const struct placement *p, u32 samples)
{
	struct harness_place place;
	char why[128];
	int status = harness_place(p->id, cpu_count(), &place, why);

	if (status == HARNESS_ENOTSUP)
		ktap_skip("%s: %s", p->word, why);
	else if (status)
		ktap_ok(false, "%s: %s", p->word, why);
	else
		measure(b, p, MIN(samples * p->factor, HARNESS_MAX_SAMPLES));
}

int suite_bench_flush(void)
{
	u32 samples = (u32)cmdline_u64("samples", 200);
	struct bench b = { .random = 0x9e3779b97f4a7c15ul };

	if (cpu_count() < 2 || !samples || samples > HARNESS_MAX_SAMPLES)
		panic("bench-flush: needs 2 CPUs, and 1 to %u samples", HARNESS_MAX_SAMPLES);
	if (!flush_bring_up())
		return ktap_verdict();
	b.samples = kzalloc(HARNESS_MAX_SAMPLES * sizeof(*b.samples));
	b.readers = kzalloc(sizeof(*b.readers));
	b.readers->arena = arena_create();
	b.readers->slots = 1;
	b.req.nr_ranges = 1;
	b.req.ranges[0] = (struct flush_range){ arena_va(0), 1 };
	for (u32 c = 1; c < cpu_count(); c++)
		cpumask_set(&b.req.targets, c);
	b.readers->cpus = b.req.targets;
	for (u32 i = 0; i < ARRAY_SIZE(placements); i++)
		if (cmdline_lists("placements", placements[i].word))
			bench_placement(&b, &placements[i], samples);
	return ktap_verdict();
}
