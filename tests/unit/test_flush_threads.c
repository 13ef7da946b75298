/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/flush.c between real threads, for the sanitizers. Each vCPU thread in
 * turn runs "the guest", which reads pages through a private TLB, and
 * replaces a page of its own: new page into the table word, flush, then the
 * old page is poisoned. A page that is poisoned while somebody can still
 * reach it shows as a wrong stamp, and to TSan as a race: pages are plain
 * memory, and only the flush orders the last read before the poisoning.
 *
 * Guest mode is a loop that looks for a pending interrupt before each
 * instruction. The kick is a flag that is looked at on entry only, as KVM
 * does; the barrier interrupts each vCPU that is in guest mode and waits until
 * it is out, and calls membarrier(2) besides.
 */
#include "unit.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/flush.h"
#include "vmm/hypercall.h"

#define VCPUS	     4u
#define RUNNING	     (VCPUS - 1) /* the last one never runs */
#define PAGES	     3u		 /* that a vCPU cycles through */
#define ROUNDS	     20000u
#define INSTRUCTIONS 16u
#define POISON	     0xdeadu

struct page {
	uint32_t stamp; /* plain on purpose */
};

struct vcpu {
	_Alignas(64) _Atomic bool kicked; /* the signal: pending until it ends a KVM_RUN */
	_Atomic bool in_guest;
	_Atomic bool interrupt; /* host IPI */
	_Atomic uint32_t runs;	/* KVM_RUNs begun and ended: odd inside */
	_Atomic(struct page *) word;
	struct page pages[PAGES];
	struct page *tlb[VCPUS];
	uint64_t stale; /* of this thread */
	uint64_t early; /* strong flushes that came back too early */
	unsigned index;
};

static struct vcpu *vcpus;
static struct flush_target *targets;
static struct flush_service service;
static _Atomic unsigned unfinished;

static void kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	atomic_store(&vcpus[vcpu].kicked, true);
}

static void barrier(void *ctx)
{
	(void)ctx;
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	for (unsigned i = 0; i < VCPUS; i++) {
		atomic_store(&vcpus[i].interrupt, true);
		while (atomic_load(&vcpus[i].in_guest) && atomic_load(&vcpus[i].interrupt))
			sched_yield();
	}
}

/* False if a signal is pending: back to user space. */
static bool enter_guest(struct vcpu *v)
{
	atomic_store(&v->in_guest, true);
	if (!atomic_load(&v->kicked))
		return true;
	atomic_store(&v->in_guest, false);
	return false;
}

static void execute(struct vcpu *v, unsigned instruction)
{
	unsigned w = instruction % RUNNING;

	if (!v->tlb[w])
		v->tlb[w] = atomic_load_explicit(&vcpus[w].word, memory_order_acquire);
	v->stale += v->tlb[w]->stamp == POISON;
}

/* True if a kick has ended it. */
static bool kvm_run(struct vcpu *v)
{
	atomic_fetch_add(&v->runs, 1);
	bool inside = enter_guest(v);

	for (unsigned i = 0; inside && i < INSTRUCTIONS; i++) {
		if (atomic_load_explicit(&v->interrupt, memory_order_relaxed)) {
			atomic_store(&v->in_guest, false);
			atomic_store(&v->interrupt, false); /* the barrier may go on */
			inside = enter_guest(v);
			continue;
		}
		execute(v, i + v->index);
		if (i == INSTRUCTIONS / 2)
			sched_yield(); /* descheduled in guest mode: the case that matters */
	}
	atomic_store(&v->in_guest, false);
	atomic_fetch_add(&v->runs, 1);
	return !inside;
}

static void run_vcpu(struct vcpu *v)
{
	if (flush_enter(&targets[v->index]))
		memset(v->tlb, 0, sizeof(v->tlb));
	bool interrupted = kvm_run(v);
	flush_leave(&targets[v->index]);
	if (interrupted)
		atomic_store(&v->kicked, false);
}

static void replace_page(struct vcpu *v, unsigned round)
{
	struct page *old = atomic_load(&v->word), *new = &v->pages[round % PAGES];
	bool strong = round % 4 == 0;
	struct vcpu_set set;
	uint32_t runs[VCPUS];

	new->stamp = round;
	atomic_store_explicit(&v->word, new, memory_order_release);
	for (unsigned i = 0; i < VCPUS; i++)
		runs[i] = atomic_load(&vcpus[i].runs);
	vcpu_set_fill(&set, VCPUS);
	flush_request(&service, &set, strong);
	for (unsigned i = 0; strong && i < VCPUS; i++)
		v->early += (runs[i] & 1) && atomic_load(&vcpus[i].runs) == runs[i];
	old->stamp = POISON;
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;

	for (unsigned round = 1; round <= ROUNDS; round++) {
		run_vcpu(v);
		replace_page(v, round);
		run_vcpu(v);
	}
	/* Whoever still flushes must find targets that run. */
	atomic_fetch_sub(&unfinished, 1);
	while (atomic_load(&unfinished))
		run_vcpu(v);
	return NULL;
}

static void *aligned_zero(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

	assert_non_null(p);
	return memset(p, 0, bytes);
}

/* M-FLUSH-1, M-FLUSH-3 */
static void no_page_is_reachable_after_the_flush(void **state)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };
	pthread_t threads[RUNNING];
	uint64_t kicks = 0, flushes = 0;

	(void)state;
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	vcpus = aligned_zero(VCPUS * sizeof(*vcpus));
	targets = aligned_zero(VCPUS * sizeof(*targets));
	service = (struct flush_service){ targets, VCPUS, &ops, NULL };
	for (unsigned i = 0; i < VCPUS; i++) {
		vcpus[i].index = i;
		atomic_store(&vcpus[i].word, &vcpus[i].pages[0]);
	}
	atomic_store(&unfinished, RUNNING);
	for (unsigned i = 0; i < RUNNING; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, vcpu_main, &vcpus[i]), 0);
	for (unsigned i = 0; i < RUNNING; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < RUNNING; i++) {
		assert_int_equal(vcpus[i].stale, 0);
		assert_int_equal(vcpus[i].early, 0);
		kicks += atomic_load(&targets[i].kicks);
		flushes += atomic_load(&targets[i].flushes);
	}
	print_message("             %u requests, %llu flushes, %llu kicks\n", RUNNING * ROUNDS,
		      (unsigned long long)flushes, (unsigned long long)kicks);
	assert_true(kicks > 0);
	assert_int_equal(atomic_load(&targets[VCPUS - 1].kicks), 0);
	assert_true(flush_enter(&targets[VCPUS - 1]));
	free(targets);
	free(vcpus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_page_is_reachable_after_the_flush),
	};

	return cmocka_run_group_tests_name("flush: threads", tests, NULL, NULL);
}
