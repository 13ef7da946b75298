/* SPDX-License-Identifier: BSD-2-Clause */
#include "detach.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ll

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Sleeps while *word is `expected`, at most until `deadline` (CLOCK_MONOTONIC); 0: for ever. */
static void futex_wait_until(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
	struct timespec t = { .tv_sec = deadline / NS_PER_S, .tv_nsec = deadline % NS_PER_S };

	syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, deadline ? &t : NULL, NULL,
		FUTEX_BITSET_MATCH_ANY);
}

static bool move_state(struct detach_slot *slot, uint32_t from, uint32_t to)
{
	return atomic_compare_exchange_strong(&slot->state, &from, to);
}

bool detach_take(struct detach_slot *slot, struct detach_roots *roots)
{
	if (!move_state(slot, DETACH_POSTED, DETACH_TAKEN))
		return false;
	*roots = (struct detach_roots){ slot->from, slot->to };
	return true;
}

void detach_done(struct detach_slot *slot, bool moved)
{
	atomic_store(&slot->state, moved ? DETACH_MOVED : DETACH_KEPT); /* pairs with answer() */
	syscall(SYS_futex, &slot->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* False if another initiator's request is there: the vCPU counts as not moved. */
static bool ask(struct flush_service *svc, struct detach_slot *slot, unsigned vcpu,
		const struct detach_roots *roots)
{
	if (!move_state(slot, DETACH_IDLE, DETACH_CLAIMED))
		return false;
	slot->from = roots->from;
	slot->to = roots->to;
	/* Before the kick; pairs with detach_take(). */
	atomic_store(&slot->state, DETACH_POSTED);
	flush_post(svc, vcpu);
	return true;
}

/* Waits for the answer, or takes the question back. True: moved. */
static bool answer(struct detach_slot *slot, int64_t deadline)
{
	for (;;) {
		uint32_t state = atomic_load(&slot->state); /* pairs with detach_done() */

		if (state == DETACH_MOVED || state == DETACH_KEPT) {
			atomic_store(&slot->state, DETACH_IDLE);
			return state == DETACH_MOVED;
		}
		if (state == DETACH_POSTED &&
		    (atomic_load(&slot->asking) || now_ns() >= deadline)) {
			if (move_state(slot, DETACH_POSTED, DETACH_IDLE))
				return false;
			continue;
		}
		futex_wait_until(&slot->state, state, state == DETACH_POSTED ? deadline : 0);
	}
}

static bool answer_watched(struct flush_service *svc, struct detach_slot *slot, unsigned vcpu,
			   int64_t deadline)
{
	if (svc->ops->waits)
		svc->ops->waits(svc->ctx, vcpu, true);
	bool moved = answer(slot, deadline);

	if (svc->ops->waits)
		svc->ops->waits(svc->ctx, vcpu, false);
	return moved;
}

void detach_request(struct flush_service *svc, struct detach_slot *slots, unsigned self,
		    const struct vcpu_set *set, const struct detach_roots *roots,
		    uint32_t deadline_us, struct vcpu_set *moved)
{
	int64_t deadline = now_ns() + deadline_us * 1000ll;
	struct vcpu_set asked = { 0 };

	*moved = (struct vcpu_set){ 0 };
	atomic_store(&slots[self].asking, 1); /* before answer() looks at that of others */
	for (unsigned i = 0; i < svc->count; i++) {
		if (vcpu_set_test(set, i) && ask(svc, &slots[i], i, roots))
			vcpu_set_add(&asked, i);
	}
	for (unsigned i = 0; i < svc->count; i++) {
		if (vcpu_set_test(&asked, i) && answer_watched(svc, &slots[i], i, deadline))
			vcpu_set_add(moved, i);
	}
	atomic_store(&slots[self].asking, 0);
}
