/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suite `ring`: posted flushes (guest/flush/ring.h). Readers look at what was unmapped once the
 * ring says that it is done; a control does not wait for that, and must be caught.
 *
 * Command line: backend=NAME, rounds=N; npt=0|1.
 */
#include "guest/conform/bring_up.h"
#include "guest/conform/duel.h"
#include "guest/conform/reader.h"
#include "guest/conform/verdict.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/backend.h"
#include "guest/flush/ring.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/harness.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/page.h"
#include "guest/selftest/crew.h"
#include "guest/suites.h"
#include "shared/hyperflush_abi.h"

#define PENDING 12u   /* posts before the first look */
#define STORM	2000u /* doorbells */

struct suite {
	struct readers *readers;
	u64 rounds;
	enum target_state spinning;
	u16 doorbell;
};

enum patience { AWAITED, NOT_AWAITED };

/* One post for each slot, then one doorbell. The last ticket. */
static u64 post_slots(const struct readers *r)
{
	struct flush_request req = { .targets = r->cpus, .nr_ranges = 1 };
	u64 ticket = 0;

	for (u32 s = 0; s < r->slots; s++) {
		req.ranges[0] = (struct flush_range){ arena_va(s), 1 };
		ticket = ring_post(&req);
	}
	return ticket;
}

static void run_rounds(struct suite *s, enum patience patience)
{
	struct readers *r = s->readers;

	for (u64 g = 2; g < s->rounds + 2; g++) {
		if (r->mode == READER_HALT)
			readers_wait_halted(r, g - 1);
		readers_prepare(r, g);
		u64 ticket = post_slots(r);

		if (patience == AWAITED)
			ring_wait(cpu_id(), ticket);
		readers_publish(r, g);
		readers_wait(r, g);
		ring_wait(cpu_id(), ticket);
	}
}

static struct readers_outcome check(struct suite *s, u32 slots, enum reader_mode mode,
				    enum patience patience)
{
	struct readers *r = s->readers;

	r->mode = mode;
	r->slots = slots;
	r->cpus = *cpus_online();
	cpumask_clear(&r->cpus, cpu_id());
	readers_start(r);
	run_rounds(s, patience);
	return readers_stop(r);
}

/* M-RING-5 */
static void check_flushes(struct suite *s)
{
	u32 n = cpu_count() - 1;
	struct readers_outcome out = check(s, 1, READER_SPIN, AWAITED);

	verdict("one post", s->spinning, n, s->rounds * n, &out);
	out = check(s, PENDING, READER_SPIN, AWAITED);
	verdict("12 posts pending", s->spinning, n, s->rounds * n, &out);
	out = check(s, 1, READER_HALT, AWAITED);
	verdict("halted targets", TARGETS_HALTED, n, s->rounds * n, &out);
	out = check(s, 1, READER_SPIN, NOT_AWAITED);
	verdict_control("completion before the flush", s->spinning, s->rounds * n, &out);
}

static void flush_by_ring(const struct flush_request *req)
{
	ring_wait(cpu_id(), ring_post(req));
}

/* M-FLUSH-12, M-RING-10 */
static void check_duel(struct suite *s)
{
	struct readers_outcome out = duel(s->readers->arena, s->rounds, flush_by_ring);

	verdict("two initiators", s->spinning, 2, 2 * s->rounds, &out);
}

static u64 post_to_others(void *arg)
{
	struct flush_request req = { .targets = *cpus_online() };

	(void)arg;
	cpumask_clear(&req.targets, cpu_id());
	for (u32 i = 1; i < PENDING; i++)
		ring_post(&req);
	return ring_post(&req);
}

static u64 do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* Posts from all CPUs, one doorbell: each CPU is interrupted once. M-RING-7. */
static void check_kicks(struct suite *s)
{
	struct harness_stats before = { 0 }, after = { 0 };
	static u64 ticket[GUEST_MAX_CPUS];
	u32 cpus = cpu_count(), polls = 0;

	(void)s;
	crew_start();
	while (!ring_idle()) /* else it would take what is posted one by one */
		cpu_poll(&polls);
	for (u32 c = 1; c < cpus; c++)
		ticket[c] = crew_ask(c, post_to_others, NULL);
	ticket[cpu_id()] = post_to_others(NULL);
	bool counted = !harness_stats(&before);

	for (u32 c = 0; c < cpus; c++)
		ring_wait(c, ticket[c]);
	for (u32 c = 1; c < cpus; c++)
		crew_ask(c, do_nothing, NULL); /* one that the host did not run flushes only now */
	counted &= !harness_stats(&after);
	crew_stop();
	u64 flushed = after.service_flushes - before.service_flushes;

	if (counted)
		ktap_ok(after.kicks - before.kicks <= cpus && flushed >= cpus,
			"%u posts pending from %u CPUs: %lu kicks, %lu flushes", PENDING * cpus,
			cpus, after.kicks - before.kicks, flushed);
	else
		ktap_skip("kicks: no harness that counts them");
}

/* M-RING-8 */
static void check_storm(struct suite *s)
{
	struct flush_request req = { .targets = *cpus_online() };

	for (u32 i = 0; i < STORM; i++)
		outl(s->doorbell, i);
	for (u32 i = 0; i < PENDING; i++) {
		u64 ticket = ring_post(&req);

		outl(s->doorbell, i);
		ring_wait(cpu_id(), ticket);
	}
	ktap_ok(true, "%u doorbells, and posts among them", STORM);
}

/* This CPU's own ring is replaced by one that is wrong, and comes back. */
static s32 stopped_with(struct hf_ring *ring, u16 doorbell, u32 tail)
{
	u32 polls = 0;
	u64 own = rdmsr(HF_MSR_RING);

	wrmsr(HF_MSR_RING, virt_to_phys(ring) | 1);
	__atomic_store_n(&ring->tail, tail, __ATOMIC_SEQ_CST);
	outl(doorbell, 0);
	while (!__atomic_load_n(&ring->error, __ATOMIC_ACQUIRE) &&
	       __atomic_load_n(&ring->completed, __ATOMIC_ACQUIRE) != tail)
		cpu_poll(&polls);
	s32 error = ring->error;

	wrmsr(HF_MSR_RING, own);
	return error;
}

/* M-RING-4, M-RING-9 */
static void check_mistakes(struct suite *s)
{
	struct hf_ring *ring = phys_to_virt(page_alloc_zeroed());
	struct hf_flush strong = { .set_kind = HF_SET_ALL, .flags = HF_FLUSH_STRONG };
	struct flush_request req = { .targets = *cpus_online() };

	*(struct hf_flush *)(void *)ring->entry[0].request = strong;
	ring->entry[0].length = sizeof(strong);
	ring->entry[1].length = UINT32_MAX;
	s32 error = stopped_with(ring, s->doorbell, 2);

	ktap_ok(!error && ring->completed == 2 && ring->entry[0].status == HF_EFLAGS &&
			ring->entry[1].status == HF_ESIZE,
		"refused entries: %d, %d", ring->entry[0].status, ring->entry[1].status);
	error = stopped_with(ring, s->doorbell, ring->tail + HF_RING_ENTRIES + 1);
	ktap_ok(error == HF_ERING && ring->completed == 2, "overfull ring: %d", error);
	/* Registering it again has made the ring begin anew at its tail. */
	ring_wait(cpu_id(), ring_post(&req));
	ktap_ok(true, "the ring that was there before is served");
}

static u64 nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* M-STATE-2, M-STATE-3 */
static void check_state(struct suite *s)
{
	struct flush_request req = { .nr_ranges = 0 };
	const struct hf_vcpu_state *other = &flush_cpu(1)->state;

	(void)s;
	cpumask_set(&req.targets, 1);
	crew_start();
	u64 before = __atomic_load_n(&other->flushes, __ATOMIC_RELAXED);

	ring_wait(cpu_id(), ring_post(&req));
	crew_ask(1, nothing, NULL); /* it has executed something since */
	u64 after = __atomic_load_n(&other->flushes, __ATOMIC_RELAXED);

	ktap_ok(after > before, "state page: CPU 1 flushed %lu times by the host", after - before);
	ktap_ok(flush_cpu(cpu_id())->state.in_run == 1, "state page: this CPU runs");
	crew_stop();
}

int suite_ring(void)
{
	static void (*const checks[])(struct suite * s) = { check_flushes,  check_duel,
							    check_kicks,    check_storm,
							    check_mistakes, check_state };
	struct suite s = { .rounds = cmdline_u64("rounds", 100) };
	struct harness_place place;
	char why[128];

	if (cpu_count() < 2) {
		ktap_skip("ring: one CPU has nobody to flush");
		return ktap_verdict();
	}
	if (!flush_bring_up())
		return ktap_verdict();
	if (!ring_available()) {
		ktap_skip("ring: backend %s has none", flush_backend()->name);
		return ktap_verdict();
	}
	s.readers = kzalloc(sizeof(*s.readers));
	s.readers->arena = arena_create();
	s.doorbell = (u16)cpuid(hypervisor_base(HF_SIGNATURE) + HF_CPUID_LIMITS, 0).edx;
	s.spinning = harness_place(HARNESS_OWN_CPU, cpu_count(), &place, why) ? TARGETS_SCHEDULED
									      : TARGETS_RUNNING;
	for (u32 i = 0; i < ARRAY_SIZE(checks); i++)
		checks[i](&s);
	return ktap_verdict();
}
