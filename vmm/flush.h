/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush service's state machine: makes vCPUs flush their TLBs before
 * their next guest instruction, waiting for none that is descheduled.
 *
 * It knows neither KVM nor threads; `struct flush_ops` gives it the kick and
 * the barrier, so that unit tests run it on plain threads.
 *
 * Per target there are two words, and they form a Dekker pair:
 *
 *   initiator                            target's own thread
 *   pending = 1                          run_seq += 1  (odd: in KVM_RUN)
 *   full barrier                         full barrier
 *   read run_seq; odd -> kick            read pending; set -> flush
 *
 * One of the two sees the other's store, so a target that misses `pending`
 * is kicked. After the kicks one process-wide barrier (membarrier) forces
 * every running target out of guest mode; the signal is pending by then, so
 * none re-enters before its thread has come back and passed the check. A
 * descheduled or halted target passes the check when it next runs.
 */
#ifndef HF_VMM_FLUSH_H
#define HF_VMM_FLUSH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/hyperflush_abi.h"

struct vcpu_set {
	uint64_t bank[HF_MAX_BANKS];
};

static inline bool vcpu_set_test(const struct vcpu_set *set, unsigned vcpu)
{
	return set->bank[vcpu / HF_BANK_BITS] >> (vcpu % HF_BANK_BITS) & 1;
}

static inline void vcpu_set_add(struct vcpu_set *set, unsigned vcpu)
{
	set->bank[vcpu / HF_BANK_BITS] |= 1ull << (vcpu % HF_BANK_BITS);
}

/* One target's words, in a cache line of their own. Zero is "outside, nothing pending". */
struct flush_target {
	_Alignas(64) _Atomic uint32_t run_seq; /* odd while the thread is in KVM_RUN; futex word */
	_Atomic uint32_t strong_waiters;       /* initiators asleep on run_seq */
	_Atomic uint32_t pending;
	_Atomic uint64_t flushes; /* carried out; written by the target's thread only */
	_Atomic uint64_t kicks;	  /* signals sent to this target */
};

struct flush_ops {
	void (*kick)(void *ctx,
		     unsigned vcpu); /* the target's KVM_RUN must return, also one about to begin */
	void (*barrier)(void *ctx);  /* every running thread of the process passes a full barrier */
	/* For who watches; may be NULL. A target needs no kick; a wait for one begins, or ends. */
	void (*spared)(void *ctx, unsigned vcpu);
	void (*waits)(void *ctx, unsigned vcpu, bool begins);
};

struct flush_service {
	struct flush_target *targets;
	unsigned count;
	const struct flush_ops *ops;
	void *ctx;
};

/*
 * Target's thread, last thing before KVM_RUN. True: a flush is due and has
 * been taken; the caller must carry it out before it enters the guest. A kick
 * that comes after the call must make that KVM_RUN return at once.
 */
bool flush_enter(struct flush_target *t);

/*
 * Target's thread, after flush_enter() has said true: the flush has not been carried
 * out and is still due. The KVM_RUN to come must not enter the guest.
 */
static inline void flush_defer(struct flush_target *t)
{
	atomic_fetch_sub_explicit(&t->flushes, 1, memory_order_relaxed);
	atomic_store(&t->pending, 1);
}

/* Target's thread, first thing after KVM_RUN returned. */
void flush_leave(struct flush_target *t);

/*
 * Initiator's thread, outside KVM_RUN. On return no vCPU of `set` executes
 * another guest instruction before it has flushed. With `strong` every target
 * that was in KVM_RUN has besides returned from it (not even KVM's
 * instruction emulator still holds a translation). Bits at or beyond
 * svc->count must be clear. The initiator may be in the set.
 */
void flush_request(struct flush_service *svc, const struct vcpu_set *set, bool strong);

/*
 * Any thread. The vCPU's thread leaves KVM_RUN, and its next flush_enter() says true. Waits
 * for nothing, and interrupts nobody but by the kick.
 */
void flush_post(struct flush_service *svc, unsigned vcpu);

#endif
