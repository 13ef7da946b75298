/* SPDX-License-Identifier: BSD-2-Clause */
#include "flush.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

bool flush_enter(struct flush_target *t)
{
	/* Sequentially consistent: pairs with the store of pending and load of run_seq in post().
	 */
	atomic_fetch_add(&t->run_seq, 1);
	if (!atomic_load(&t->pending))
		return false;
	/*
	 * Taken before the flush, never after it: a request posted in between
	 * would be lost. Its initiator finds run_seq odd and kicks.
	 */
	atomic_exchange(&t->pending, 0);
	atomic_fetch_add_explicit(&t->flushes, 1, memory_order_relaxed);
	return true;
}

void flush_leave(struct flush_target *t)
{
	/* Sequentially consistent: pairs with strong_waiters and the futex's own check in
	 * wait_left(). */
	atomic_fetch_add(&t->run_seq, 1);
	if (atomic_load(&t->strong_waiters))
		futex_wake_all(&t->run_seq);
}

/* The initiator's half of the Dekker pair. Returns run_seq as it was seen after the post. */
static uint32_t post(struct flush_service *svc, unsigned vcpu)
{
	struct flush_target *t = &svc->targets[vcpu];

	atomic_store(&t->pending, 1); /* pairs with flush_enter() */
	uint32_t seq = atomic_load(&t->run_seq);
	if (seq & 1) {
		atomic_fetch_add_explicit(&t->kicks, 1, memory_order_relaxed);
		svc->ops->kick(svc->ctx, vcpu);
	}
	if (!(seq & 1) && svc->ops->spared)
		svc->ops->spared(svc->ctx, vcpu);
	return seq;
}

/* Returns once the KVM_RUN that was seen as `seq` has returned. The kick makes it return. */
static void wait_left(struct flush_target *t, uint32_t seq)
{
	if (!(seq & 1))
		return;
	atomic_fetch_add(&t->strong_waiters, 1); /* pairs with flush_leave() */
	while (atomic_load(&t->run_seq) == seq)
		futex_wait(&t->run_seq, seq);
	atomic_fetch_sub(&t->strong_waiters, 1);
}

static void wait_watched(struct flush_service *svc, unsigned vcpu, uint32_t seq)
{
	bool watched = seq & 1 && svc->ops->waits;

	if (watched)
		svc->ops->waits(svc->ctx, vcpu, true);
	wait_left(&svc->targets[vcpu], seq);
	if (watched)
		svc->ops->waits(svc->ctx, vcpu, false);
}

void flush_request(struct flush_service *svc, const struct vcpu_set *set, bool strong)
{
	uint32_t seen[HF_MAX_VCPUS];
	bool kicked = false;

	for (unsigned b = 0; b * HF_BANK_BITS < svc->count; b++) {
		for (uint64_t m = set->bank[b]; m; m &= m - 1) {
			unsigned vcpu = b * HF_BANK_BITS + (unsigned)__builtin_ctzll(m);

			seen[vcpu] = post(svc, vcpu);
			kicked |= seen[vcpu] & 1;
		}
	}
	if (!kicked)
		return; /* everyone is outside and passes flush_enter() before guest mode */
	if (!strong) {
		/* After every kick: whoever this interrupts in guest mode has its signal pending.
		 */
		svc->ops->barrier(svc->ctx);
		return;
	}
	for (unsigned b = 0; b * HF_BANK_BITS < svc->count; b++) {
		for (uint64_t m = set->bank[b]; m; m &= m - 1) {
			unsigned vcpu = b * HF_BANK_BITS + (unsigned)__builtin_ctzll(m);

			wait_watched(svc, vcpu, seen[vcpu]);
		}
	}
}

void flush_post(struct flush_service *svc, unsigned vcpu)
{
	post(svc, vcpu);
}
