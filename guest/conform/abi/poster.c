/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/abi/poster.h"

#include "guest/cpu/trap.h"
#include "guest/lib/string.h"

void poster_init(struct poster *p)
{
	*p = (struct poster){ .ring = kzalloc(PAGE_SIZE) };
}

bool poster_register(struct poster *p, u32 tail)
{
	p->tail = tail;
	__atomic_store_n(&p->ring->tail, tail, __ATOMIC_RELEASE);
	return !try_wrmsr(HF_MSR_RING, virt_to_phys(p->ring) | 1);
}

void poster_fill(struct poster *p, u32 ahead, const void *bytes, size_t len, u32 length)
{
	struct hf_ring_entry *e = &p->ring->entry[(p->tail + ahead) % HF_RING_ENTRIES];

	memset(e->request, 0, sizeof(e->request));
	memcpy(e->request, bytes, MIN(len, sizeof(e->request)));
	e->length = length;
	e->status = POSTER_UNTOLD;
}

void poster_doorbell(void)
{
	outl((u16)hf_leaf(HF_CPUID_LIMITS).edx, 0);
}

bool poster_push(struct poster *p, u32 count)
{
	p->tail += count;
	/* Sequentially consistent, as the ABI wants it: tail, then the look. */
	__atomic_store_n(&p->ring->tail, p->tail, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&p->ring->need_doorbell, __ATOMIC_RELAXED))
		return false;
	poster_doorbell();
	return true;
}

const char *poster_wait(const struct poster *p)
{
	u64 since = 0;
	u32 polls = 0;

	/* Acquire: pairs with the host's store; the statuses, and the flush. */
	while (__atomic_load_n(&p->ring->completed, __ATOMIC_ACQUIRE) != p->tail) {
		if (__atomic_load_n(&p->ring->error, __ATOMIC_ACQUIRE))
			return "the ring was stopped";
		if (!hf_patient(&since))
			return "what was posted is not completed";
		cpu_poll(&polls);
	}
	return NULL;
}

s32 poster_status(const struct poster *p, u32 back)
{
	return p->ring->entry[(p->tail - back) % HF_RING_ENTRIES].status;
}

const char *poster_make(struct raw_call *call, void *arg)
{
	struct poster *p = arg;
	struct hf_ring_entry before;
	const char *why;

	poster_fill(p, 0, p->bytes, p->len, p->length);
	before = p->ring->entry[p->tail % HF_RING_ENTRIES];
	poster_push(p, 1);
	why = poster_wait(p);
	before.status = poster_status(p, 1);
	call->rax = (u64)(s64)before.status;
	if (!why &&
	    memcmp(&before, &p->ring->entry[(p->tail - 1) % HF_RING_ENTRIES], sizeof(before)))
		why = "the host has changed the entry";
	return why;
}
