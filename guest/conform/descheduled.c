/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/descheduled.h"

#include "guest/conform/verdict.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/timer.h"
#include "guest/lib/harness.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/page.h"

#define ENOUGH	   16u /* flushes that met the victim off its CPU */
#define MAX_FACTOR 10u /* gives up after this many times the flushes asked for */

#define MAX_WAIT_MS 4u /* a tick of the host */

struct experiment {
	struct readers *readers;
	struct flush_request req;
	struct harness_sample *samples; /* of one batch */
	u64 generation;			/* the last one published */
	u64 random;
	u64 flushes, at_call, throughout, evidence;
	struct readers_outcome victim; /* after flushes that are evidence */
};

/* What the victim found after each flush of a batch; bit i: flush i. */
struct batch {
	u32 count;
	u64 checked, stale;
};

/*
 * A backend that waits for acknowledgements returns when the victim has run: its evidence is a
 * victim off its CPU at the call. All others must leave a victim off its CPU alone, so theirs is
 * one that has not run until the flush returned.
 */
static bool waits_for_targets(void)
{
	enum hf_backend id = flush_backend()->id;

	return id == HF_BACKEND_IPI || id == HF_BACKEND_KICK;
}

/* The victim has just run when it has acknowledged: flush some time later. */
static void wait_random(struct experiment *e)
{
	u32 polls = 0;

	e->random = e->random * 6364136223846793005ul + 1442695040888963407ul; /* Knuth, MMIX */
	u64 end = rdtsc() + (e->random >> 33) % tsc_from_ms(MAX_WAIT_MS);

	while (rdtsc() < end)
		cpu_poll(&polls);
}

static void flush_once(struct experiment *e, struct harness_sample *sample)
{
	u64 g = ++e->generation;

	wait_random(e);
	readers_prepare(e->readers, g);
	sample->start = rdtsc_ordered();
	flush_tlb(&e->req);
	sample->ticks = rdtsc_ordered() - sample->start;
	readers_publish(e->readers, g);
	readers_wait(e->readers, g);
}

static void run_batch(struct experiment *e, struct batch *b)
{
	const struct reader *victim = &e->readers->reader[HARNESS_VICTIM];

	b->checked = b->stale = 0;
	for (u32 i = 0; i < b->count; i++) {
		u64 checked = victim->checked, stale = victim->stale;

		/* Ends with an acquire of the victim's acknowledgement: its counts are visible. */
		flush_once(e, &e->samples[i]);
		b->checked |= (victim->checked - checked) << i;
		b->stale |= (victim->stale - stale) << i;
	}
}

static void judge_batch(struct experiment *e, const struct batch *b)
{
	struct harness_page page = {
		.op = HARNESS_JUDGE,
		.judge = { .samples_gpa = virt_to_phys(e->samples), .sample_count = b->count },
	};

	if (harness_call(&page))
		panic("the host places a rival, but does not judge: %s", page.text);
	u64 evidence = waits_for_targets() ? page.judge.at_call : page.judge.throughout;

	e->flushes += b->count;
	for (u32 i = 0; i < b->count; i++) {
		e->at_call += page.judge.at_call >> i & 1;
		e->throughout += page.judge.throughout >> i & 1;
		e->evidence += evidence >> i & 1;
		e->victim.checked += (evidence & b->checked) >> i & 1;
		e->victim.stale += (evidence & b->stale) >> i & 1;
	}
}

/* Each batch needs a rival of its own, for the host ends it to judge. False: reason in `why`. */
static bool place_rival(char *why)
{
	struct harness_place place;

	return !harness_place(HARNESS_DESCHEDULED, cpu_count(), &place, why);
}

static void run(struct experiment *e, u64 rounds)
{
	u64 limit = MAX_FACTOR * MAX(rounds, ENOUGH);
	char why[128];

	while (e->flushes < rounds || (e->flushes < limit && e->evidence < ENOUGH)) {
		u64 left = e->flushes < rounds ? rounds - e->flushes : HARNESS_MAX_JUDGED;
		struct batch b = { .count = (u32)MIN(HARNESS_MAX_JUDGED, left) };

		if (e->flushes && !place_rival(why))
			panic("cannot place the rival again: %s", why);
		run_batch(e, &b);
		judge_batch(e, &b);
		/* A run that its time limit ends then shows how far it came. */
		ktap_diag("%lu flushes, target off its CPU at %lu, throughout %lu", e->flushes,
			  e->at_call, e->throughout);
	}
}

static void report(const struct experiment *e, const struct readers_outcome *all)
{
	u32 targets = cpumask_weight(&e->readers->cpus);
	bool enough = e->evidence >= ENOUGH;
	bool impossible = waits_for_targets() && e->throughout;

	ktap_ok(enough && !impossible,
		"%lu of %lu flushes began with the target off its CPU, %lu also returned so%s%s",
		e->at_call, e->flushes, e->throughout, enough ? "" : ": no evidence",
		impossible ? ": but they wait for it, so the host errs" : "");
	verdict("every target, after every flush", TARGETS_DESCHEDULED, targets,
		e->flushes * targets, all);
	verdict("the target that was off its CPU", TARGETS_DESCHEDULED, targets, e->evidence,
		&e->victim);
}

void check_descheduled_target(struct readers *r, u64 rounds)
{
	struct experiment e = { .readers = r, .generation = 1 };
	struct harness_place place;
	char why[128];

	ASSERT(cpumask_test(&r->cpus, HARNESS_VICTIM));
	if (!place_rival(why)) {
		ktap_skip("descheduled target: %s", why);
		return;
	}
	e.req = (struct flush_request){ .targets = r->cpus, .nr_ranges = 1 };
	e.req.ranges[0] = (struct flush_range){ arena_va(r->first_slot), r->slots };
	e.samples = kzalloc(HARNESS_MAX_JUDGED * sizeof(*e.samples));
	readers_start(r);
	run(&e, rounds);
	struct readers_outcome all = readers_stop(r);

	kfree(e.samples, HARNESS_MAX_JUDGED * sizeof(*e.samples));
	if (harness_place(HARNESS_OWN_CPU, cpu_count(), &place, why))
		panic("cannot undo the placement: %s", why);
	ktap_begin("descheduled target");
	report(&e, &all);
	ktap_end();
}
