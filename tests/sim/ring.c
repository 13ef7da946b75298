/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/sim/ring.h"

#include <string.h>

#include "guest/flush/backend.h"
#include "guest/flush/ring.h"
#include "guest/mm/page.h"
#include "shared/hyperflush_abi.h"
#include "tests/sim/frames.h"
#include "tests/sim/schedule.h"

#define DOORBELL 1u

static struct {
	struct hf_ring *ring[SIM_CPUS]; /* of that vCPU */
	u32 taken[SIM_CPUS];		/* entries before it are done or in hand */
	bool awake;
	unsigned by; /* whose doorbell woke it: it acts as that CPU */
	u32 due;     /* CPUs that are to flush for what is in hand */
	struct flush_request hand[SIM_CPUS * HF_RING_ENTRIES];
	unsigned hands;
} host;

void ring_reset(void)
{
	memset(host.ring, 0, sizeof(host.ring));
	host.awake = false;
	host.due = 0;
	host.hands = 0;
}

void ring_open(void)
{
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
		sim.self = cpu;
		ring_init_cpu(DOORBELL);
	}
	sim.self = 0;
	if (sim_choose(4))
		sim_outl(DOORBELL, 0); /* the host is about to look, sooner or later */
}

static void put(u32 *p, u32 value)
{
	memory_commit(sim_cpu(), p, sizeof(*p), value, false);
}

/* M-RING-2 */
void sim_wrmsr(u32 msr, u64 value)
{
	struct hf_ring *ring = sim_phys_to_virt(value & ~1ull);

	if (msr != HF_MSR_RING || !(value & 1))
		sim_fail("MSR %#x is written", msr);
	memory_drain(sim_cpu());
	host.ring[sim.self] = ring;
	host.taken[sim.self] = ring->completed = ring->tail;
	ring->need_doorbell = 1;
}

void sim_outl(u16 port, u32 value)
{
	(void)value;
	sim_step();
	memory_drain(sim_cpu());
	if (port != DOORBELL)
		sim_fail("port %#x is written", port);
	if (sim.logging)
		timeline_add(sim.self, "doorbell");
	if (!host.awake)
		host.by = sim.self;
	host.awake = true;
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++)
		put(&host.ring[cpu]->need_doorbell, 0);
	schedule_refresh(&sim.cpu[host.by]);
}

/* The form of a request on the wire, as guest/flush/hyperflush.c makes it. One bank is enough. */
u64 hyperflush_request(const struct flush_request *req, const struct cpumask *remote)
{
	u8 *at = flush_cpu(sim.self)->input;
	struct hf_flush head = { .set_kind = HF_SET_BANKS,
				 .range_count = (u16)req->nr_ranges,
				 .bank_mask = 1 };

	memcpy(at, &head, sizeof(head));
	at += sizeof(head);
	memcpy(at, &remote->word[0], sizeof(u64));
	at += sizeof(u64);
	for (unsigned i = 0; i < req->nr_ranges; i++) {
		struct hf_range r = { .root = HF_ROOT_ANY,
				      .start = req->ranges[i].start,
				      .count = req->ranges[i].pages,
				      .page_shift = HF_PAGE_4K };

		memcpy(at, &r, sizeof(r));
		at += sizeof(r);
	}
	return (u64)(at - flush_cpu(sim.self)->input);
}

static struct flush_request decode(const struct hf_ring_entry *e, unsigned owner)
{
	struct flush_request req = { .nr_ranges = 0 };
	struct hf_flush head;
	const u8 *at = e->request + sizeof(head);

	memcpy(&head, e->request, sizeof(head));
	req.targets.word[0] = (1ull << sim.cpus) - 1;
	if (head.set_kind == HF_SET_ALL_BUT_SELF) {
		cpumask_clear(&req.targets, owner);
		return req;
	}
	memcpy(&req.targets.word[0], at, sizeof(u64));
	at += sizeof(u64);
	for (; req.nr_ranges < head.range_count; req.nr_ranges++, at += sizeof(struct hf_range)) {
		struct hf_range r;

		memcpy(&r, at, sizeof(r));
		req.ranges[req.nr_ranges] = (struct flush_range){ r.start, r.count };
	}
	return req;
}

/* An order between rings is not promised: one may be looked at before its post is there. */
static void take(void)
{
	bool left = false;

	for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
		const struct hf_ring *ring = host.ring[cpu];

		if (ring->tail - host.taken[cpu] > HF_RING_ENTRIES)
			sim_fail("the ring of CPU %u is overfull", cpu);
		if (ring->tail != host.taken[cpu] && sim_choose(4) == 0) {
			left = true;
			continue;
		}
		for (; host.taken[cpu] != ring->tail; host.taken[cpu]++) {
			struct flush_request *req = &host.hand[host.hands++];

			*req = decode(&ring->entry[host.taken[cpu] % HF_RING_ENTRIES], cpu);
			host.due |= (u32)req->targets.word[0];
		}
	}
	if (host.due || left)
		return;
	host.awake = false;
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++)
		put(&host.ring[cpu]->need_doorbell, 1);
}

/* M-RING-5: nothing is complete before all of its targets have flushed. */
static void publish(void)
{
	host.hands = 0;
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++)
		put(&host.ring[cpu]->completed, host.taken[cpu]);
}

static void flush(struct sim_cpu *c)
{
	unsigned cpu = (unsigned)(c - sim.cpu);

	memory_drain(c);
	for (unsigned i = 0; i < host.hands; i++)
		if (cpumask_test(&host.hand[i].targets, cpu))
			tlb_flush_request(c, &host.hand[i]);
	host.due &= ~(1u << cpu);
	if (!host.due)
		publish();
}

bool ring_due(unsigned cpu)
{
	return host.due ? host.due >> cpu & 1 : host.awake && host.by == cpu;
}

void ring_act(struct sim_cpu *c)
{
	if (host.due)
		flush(c);
	else
		take();
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++)
		schedule_refresh(&sim.cpu[cpu]);
}

void ring_finish(void)
{
	host.awake = host.ring[0]; /* what was posted without a doorbell, too */
	while (host.awake) {
		for (unsigned cpu = 0; cpu < sim.cpus; cpu++)
			if (ring_due(cpu))
				ring_act(&sim.cpu[cpu]);
	}
}

static bool covers(const struct flush_request *req, u64 va)
{
	for (unsigned i = 0; i < req->nr_ranges; i++)
		if (va - req->ranges[i].start < req->ranges[i].pages * PAGE_SIZE)
			return true;
	return !req->nr_ranges;
}

bool ring_owes(unsigned cpu, u64 va)
{
	for (unsigned owner = 0; owner < sim.cpus && host.ring[owner]; owner++) {
		const struct hf_ring *ring = host.ring[owner];

		for (u32 i = ring->completed; i != ring->tail; i++) {
			struct flush_request req = decode(&ring->entry[i % HF_RING_ENTRIES], owner);

			if (cpumask_test(&req.targets, cpu) && covers(&req, va))
				return true;
		}
	}
	return false;
}

void ring_close(void)
{
	for (unsigned cpu = 0; cpu < sim.cpus && host.ring[cpu]; cpu++) {
		page_put(sim_virt_to_phys(host.ring[cpu]));
		host.ring[cpu] = NULL;
	}
}
