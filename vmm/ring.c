/* SPDX-License-Identifier: BSD-2-Clause */
#include "ring.h"

#include <string.h>

#include "hypercall.h"

/* The guest's words are plain in the ABI's header; both sides access them atomically. */
static _Atomic uint32_t *shared(uint32_t *word)
{
	return (_Atomic uint32_t *)word;
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void ring_attach(struct ring_set *set, unsigned vcpu, struct hf_ring *page)
{
	struct ring *r = &set->rings[vcpu];

	*r = (struct ring){ .page = page };
	if (!page)
		return;
	r->taken = r->told = atomic_load(shared(&page->tail));
	__atomic_store_n(&page->error, HF_OK, __ATOMIC_RELAXED);
	atomic_store(shared(&page->completed), r->told);
	atomic_store(shared(&page->need_doorbell), 1);
}

/* The only read of an entry: word by word, so that no compiler reads a part of it again. */
static void copy_entry(struct hf_ring_entry *own, struct hf_ring_entry *posted)
{
	uint64_t *to = (void *)own, *from = (void *)posted;

	for (size_t i = 0; i < sizeof(*own) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* Adds what the entry asks for to `merged`. */
static int64_t judge(const struct hf_ring_entry *own, unsigned vcpu, unsigned vcpus,
		     struct vcpu_set *merged)
{
	struct flush_plan plan;

	if (own->length > sizeof(own->request))
		return HF_ESIZE;
	int64_t err = hypercall_decode_flush(own->request, own->length, vcpu, vcpus, &plan);

	if (err)
		return err;
	if (plan.strong)
		return HF_EFLAGS; /* it waits, and would hold up everybody */
	for (unsigned b = 0; b * HF_BANK_BITS < vcpus; b++)
		merged->bank[b] |= plan.targets.bank[b];
	return HF_OK;
}

static void take(struct ring_set *set, unsigned vcpu, struct vcpu_set *merged)
{
	struct ring *r = &set->rings[vcpu];
	struct hf_ring_entry *posted = &r->page->entry[r->taken % HF_RING_ENTRIES], own;

	_Static_assert(sizeof(own) % sizeof(uint64_t) == 0, "copied in words of 64 bits");
	copy_entry(&own, posted);
	int64_t status = judge(&own, vcpu, set->count, merged);

	/* Before `completed`, which is stored later: complete(). */
	__atomic_store_n(&posted->status, (int32_t)status, __ATOMIC_RELAXED);
	if (status)
		count(&set->counters.ring_refused, 1);
	r->taken++;
}

/* Number of entries. */
static unsigned collect(struct ring_set *set, unsigned vcpu, struct vcpu_set *merged)
{
	struct ring *r = &set->rings[vcpu];

	if (!r->page)
		return 0;
	/* Pairs with the guest's store of tail: the entries before it, and the page tables. */
	uint32_t posted = atomic_load(shared(&r->page->tail)) - r->taken;

	if (posted > HF_RING_ENTRIES) {
		__atomic_store_n(&r->page->error, HF_ERING, __ATOMIC_RELEASE);
		*r = (struct ring){ 0 };
		count(&set->counters.ring_stopped, 1);
		return 0;
	}
	for (uint32_t i = 0; i < posted; i++)
		take(set, vcpu, merged);
	return posted;
}

/* The flush is done: no target uses an old translation any more. */
static void complete(struct ring *r)
{
	if (!r->page || r->told == r->taken)
		return;
	r->told = r->taken;
	atomic_store(shared(&r->page->completed), r->told); /* pairs with the guest's look */
}

unsigned ring_serve(struct ring_set *set, struct flush_service *svc)
{
	struct vcpu_set merged = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < set->count; i++)
		n += collect(set, i, &merged);
	if (!n)
		return 0;
	flush_request(svc, &merged, false);
	for (unsigned i = 0; i < set->count; i++)
		complete(&set->rings[i]);
	count(&set->counters.ring_passes, 1);
	count(&set->counters.ring_entries, n);
	return n;
}

static void tell_all(struct ring_set *set, uint32_t need_doorbell)
{
	for (unsigned i = 0; i < set->count; i++) {
		struct hf_ring *page = set->rings[i].page;

		if (page)
			atomic_store_explicit(shared(&page->need_doorbell), need_doorbell,
					      memory_order_relaxed);
	}
}

void ring_quiet(struct ring_set *set)
{
	tell_all(set, 0);
}

bool ring_listen(struct ring_set *set)
{
	bool waiting = false;

	tell_all(set, 1);
	/* Dekker: pairs with the guest's barrier between its store of tail and its look. */
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < set->count; i++) {
		struct ring *r = &set->rings[i];

		waiting |= r->page && atomic_load(shared(&r->page->tail)) != r->taken;
	}
	return waiting;
}
