/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/flush/ring.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/backend.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"
#include "guest/sched/thread.h"
#include "shared/hyperflush_abi.h"

/* Where posts begin to count: the ring's indices wrap soon, and not only after months. */
#define FIRST_POST ((1ull << 32) - 8)

/* The posting CPU alone writes it, with preemption off; others read `posted`. */
struct poster {
	struct hf_ring *ring; /* a page of its own; NULL: the host has none */
	u64 posted;	      /* FIRST_POST and so many; the ring's tail is its lower half */
};

static struct {
	u16 doorbell;
	struct poster cpu[GUEST_MAX_CPUS];
} rings;

void ring_init_cpu(u16 doorbell)
{
	struct poster *p = &rings.cpu[cpu_id()];
	paddr_t page = page_alloc_zeroed();

	if (page == PADDR_NONE)
		panic("ring: no memory");
	rings.doorbell = doorbell;
	p->ring = phys_to_virt(page);
	p->posted = FIRST_POST;
	p->ring->tail = (u32)FIRST_POST; /* where a new ring begins: M-RING-2 */
	wrmsr(HF_MSR_RING, page | 1);
}

bool ring_available(void)
{
	return rings.cpu[cpu_id()].ring;
}

/* Posts of that CPU which are complete. */
static u64 completed(u32 cpu)
{
	const struct poster *p = &rings.cpu[cpu];
	/* Acquire: pairs with the host's store; the flush, and the statuses. */
	u32 index = mem_load(&p->ring->completed);
	u64 posted = mem_load(&p->posted);

	/* The ring holds less than 2^32 entries: the difference tells the upper half. */
	return posted - ((u32)posted - index);
}

static void check(const struct hf_ring *ring)
{
	s32 error = mem_load(&ring->error);

	if (error)
		panic("ring: stopped by the host: %d", error);
}

/* A request that does not fit is widened: everything, of all other CPUs. */
static void fill(struct hf_ring_entry *entry, const struct flush_request *req,
		 const struct cpumask *remote)
{
	const u8 *input = flush_cpu(cpu_id())->input;
	u64 length = hyperflush_request(req, remote);

	if (length > sizeof(entry->request)) {
		*(struct hf_flush *)(void *)entry->request =
			(struct hf_flush){ .set_kind = HF_SET_ALL_BUT_SELF };
		length = sizeof(struct hf_flush);
	} else {
		memcpy(entry->request, input, length);
	}
	entry->length = (u32)length;
}

u64 ring_post(const struct flush_request *req)
{
	struct poster *p = &rings.cpu[cpu_id()];
	struct cpumask remote = req->targets;

	ASSERT(!(req->flags & FLUSH_STRONG));
	preempt_disable();
	ring_wait(cpu_id(), p->posted + 1 - HF_RING_ENTRIES); /* the slot's last post is done */
	if (cpumask_test(&remote, cpu_id())) {
		cpumask_clear(&remote, cpu_id());
		flush_tlb_local(req);
	}
	fill(&p->ring->entry[p->posted % HF_RING_ENTRIES], req, &remote);
	u64 ticket = p->posted + 1;

	mem_store(&p->posted, ticket);
	/* Release: pairs with the host's look; the entry, and the page tables. */
	mem_store(&p->ring->tail, (u32)ticket);
	preempt_enable();
	return ticket;
}

bool ring_idle(void)
{
	return mem_load(&rings.cpu[cpu_id()].ring->need_doorbell);
}

void ring_submit(void)
{
	/*
	 * Dekker: tail before need_doorbell; pairs with the host's barrier when it goes to
	 * sleep. It looks at all rings, so one that needs the doorbell speaks for all.
	 */
	mem_fence();
	if (ring_idle())
		outl(rings.doorbell, 0);
}

bool ring_done(u32 cpu, u64 ticket)
{
	const struct hf_ring_entry *entry =
		&rings.cpu[cpu].ring->entry[(ticket - 1) % HF_RING_ENTRIES];

	if (completed(cpu) < ticket)
		return false;
	/*
	 * A refused request has flushed nobody, and what waits for it is about to be used again.
	 * No slot is filled anew before this has looked: ring_post().
	 */
	if (entry->status)
		panic("ring: entry %lu refused: %d", ticket - 1, entry->status);
	return true;
}

void ring_wait(u32 cpu, u64 ticket)
{
	u32 polls = 0;

	if (ring_done(cpu, ticket))
		return;
	ring_submit();
	while (!ring_done(cpu, ticket)) {
		check(rings.cpu[cpu].ring);
		cpu_poll(&polls);
	}
}
