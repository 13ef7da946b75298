/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/bench/recorder.h"

#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"

struct recorder *recorder_create(const char *suite, u32 samples)
{
	struct recorder *r = kzalloc(sizeof(*r));
	struct harness_place place;
	char why[128];

	if (!samples || samples > HARNESS_MAX_SAMPLES)
		panic("bench-%s: takes 1 to %u samples", suite, HARNESS_MAX_SAMPLES);
	r->suite = suite;
	r->samples = samples;
	r->random = 0x9e3779b97f4a7c15ul;
	r->sample = kzalloc(HARNESS_MAX_SAMPLES * sizeof(*r->sample));
	if (harness_place(HARNESS_OWN_CPU, cpu_count(), &place, why))
		panic("bench-%s: %s", suite, why);
	return r;
}

void recorder_begin(struct recorder *r, const char *name, const char *backend, u32 targets)
{
	struct harness_record *record = &r->page.record;

	memset(&r->page, 0, sizeof(r->page));
	r->page.op = HARNESS_RECORD;
	strlcpy(record->suite, r->suite, sizeof(record->suite));
	strlcpy(record->name, name, sizeof(record->name));
	strlcpy(record->backend, backend, sizeof(record->backend));
	record->targets = targets;
	record->placement = HARNESS_OWN_CPU;
	record->samples_gpa = virt_to_phys(r->sample);
	r->taken = 0;
	r->host_counts = !harness_stats(&r->host_before);
}

void recorder_start(struct recorder *r)
{
	flush_counters_sum(&r->before);
	r->sample[r->taken].start = rdtsc_ordered();
}

void recorder_stop(struct recorder *r)
{
	u64 end = rdtsc_ordered();
	struct harness_sample *s = &r->sample[r->taken++];
	struct flush_counters after;

	flush_counters_sum(&after);
	s->ticks = end - s->start;
	s->guest_ipis = after.ipis - r->before.ipis;
	s->hypercalls = after.hypercalls - r->before.hypercalls;
	s->skipped = after.skipped - r->before.skipped;
	s->waited_ticks = after.waited_ticks - r->before.waited_ticks;
}

void recorder_end(struct recorder *r)
{
	struct harness_record *record = &r->page.record;
	struct harness_stats after;

	record->sample_count = r->taken;
	if (!harness_stats(&after) && r->host_counts) {
		record->counted_ops = r->taken;
		record->exits = after.exits - r->host_before.exits;
		record->kicks = after.kicks - r->host_before.kicks;
	}
	if (harness_call(&r->page))
		ktap_ok(false, "%s, %s: %s", record->name, record->backend, r->page.text);
	else
		ktap_ok(true, "%s, %s: %u samples", record->name, record->backend, r->taken);
}

/* xorshift64 (Marsaglia). */
u64 recorder_random(struct recorder *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return r->random;
}
