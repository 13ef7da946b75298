/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suite `bench-ring`, case "32 pending": 4 CPUs flush all others 8 times each.
 *
 *   ring          all of it is posted, then one doorbell, then a wait until all is done
 *   ipi           32 calls of flush_tlb(), one CPU after the other
 *   ipi-together  the same, three of the CPUs at the same time: requests of several
 *                 initiators meet in one interrupt
 *
 * Timed from the first post or call to the end of the last. Ticks are stopped; who has nothing to
 * do spins. Command line: backend=NAME, samples=N, cases=ring,ipi.
 */
#include "guest/bench/recorder.h"
#include "guest/conform/bring_up.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/flush.h"
#include "guest/flush/ring.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/selftest/crew.h"
#include "guest/suites.h"

#define RING_CPUS 4u
#define EACH	  8u /* flushes of each CPU */
#define CASE	  "32 pending"
#define VA	  0x40000000ul

static struct flush_request others(void)
{
	struct flush_request req = { .targets = *cpus_online(),
				     .nr_ranges = 1,
				     .ranges = { { VA, 1 } } };

	cpumask_clear(&req.targets, cpu_id());
	return req;
}

static u64 flush_others(void *arg)
{
	struct flush_request req = others();

	(void)arg;
	for (u32 i = 0; i < EACH; i++)
		flush_tlb(&req);
	return 0;
}

/* All CPUs post equally often, so the last ticket is the same on all. */
static u64 post_others(void *arg)
{
	struct flush_request req = others();
	u64 ticket = 0;

	(void)arg;
	for (u32 i = 0; i < EACH; i++)
		ticket = ring_post(&req);
	return ticket;
}

static void flush_in_turn(void)
{
	for (u32 cpu = 1; cpu < RING_CPUS; cpu++)
		crew_ask(cpu, flush_others, NULL);
	flush_others(NULL);
}

static void flush_together(void)
{
	crew_ask_all(flush_others, NULL);
	flush_others(NULL);
}

static void time_calls(struct recorder *r, const char *backend, void (*calls)(void))
{
	recorder_begin(r, CASE, backend, RING_CPUS - 1);
	for (u32 i = 0; i < r->samples; i++) {
		recorder_start(r);
		calls();
		recorder_stop(r);
	}
	recorder_end(r);
}

static void bench_ipi(struct recorder *r)
{
	time_calls(r, "ipi", flush_in_turn);
	time_calls(r, "ipi-together", flush_together);
}

static void bench_ring(struct recorder *r)
{
	if (!ring_available()) {
		ktap_skip(CASE ": backend %s has no ring", flush_backend()->name);
		return;
	}
	recorder_begin(r, CASE, "ring", RING_CPUS - 1);
	for (u32 i = 0; i < r->samples; i++) {
		u32 polls = 0;

		while (!ring_idle()) /* else it would take what is posted one by one */
			cpu_poll(&polls);
		recorder_start(r);
		crew_ask_all(post_others, NULL);
		u64 ticket = post_others(NULL);

		for (u32 cpu = 0; cpu < RING_CPUS; cpu++)
			ring_wait(cpu, ticket);
		recorder_stop(r);
	}
	recorder_end(r);
	/* Each CPU is a target of the three others. */
	ktap_ok(r->page.record.kicks <= (u64)RING_CPUS * r->taken,
		"%lu kicks for %u times %u posts", r->page.record.kicks, r->taken,
		RING_CPUS * EACH);
}

int suite_bench_ring(void)
{
	static const struct {
		const char *word;
		void (*run)(struct recorder *r);
	} cases[] = { { "ring", bench_ring }, { "ipi", bench_ipi } };
	struct recorder *r;

	if (cpu_count() != RING_CPUS)
		panic("bench-ring: needs %u CPUs", RING_CPUS);
	if (!flush_bring_up())
		return ktap_verdict();
	r = recorder_create("ring", (u32)cmdline_u64("samples", 200));
	crew_start();
	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cmdline_lists("cases", cases[i].word))
			cases[i].run(r);
	}
	crew_stop();
	return ktap_verdict();
}
