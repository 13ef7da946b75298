/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/ring.c between real threads: guests that post up to a ring full and ring only when they
 * are told to, and a service thread that sleeps in between.
 */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/ring.h"

#define GUESTS	 3u
#define ROUNDS	 3000u
#define PATIENCE 60 /* seconds without a doorbell, while somebody waits for an entry */

static struct flush_target *targets;
static struct flush_service service;
static struct ring rings[GUESTS];
static struct ring_set set;
static struct hf_ring *pages;
static sem_t doorbell;
static _Atomic unsigned unfinished;
static _Atomic bool stop;
static _Atomic uint64_t early, refused, rung;

static void kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	(void)vcpu;
}

static void barrier(void *ctx)
{
	(void)ctx;
}

static void post(struct hf_ring *page, uint32_t index, unsigned target)
{
	struct hf_ring_entry *e = &page->entry[index % HF_RING_ENTRIES];
	struct {
		struct hf_flush head;
		uint64_t bank;
	} request = { .head = { .bank_mask = 1 }, .bank = 1ull << target };

	e->length = sizeof(request);
	memcpy(e->request, &request, sizeof(request));
	__atomic_store_n(&page->tail, index + 1, __ATOMIC_SEQ_CST);
}

static void *guest(void *arg)
{
	struct hf_ring *page = arg;
	unsigned id = (unsigned)(page - pages);
	uint32_t index = page->tail;

	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned n = 1 + round % HF_RING_ENTRIES;

		atomic_store(&targets[id].pending, 0); /* it has flushed */
		for (unsigned i = 0; i < n; i++)
			post(page, index++, id);
		if (__atomic_load_n(&page->need_doorbell, __ATOMIC_SEQ_CST)) {
			atomic_fetch_add(&rung, 1);
			sem_post(&doorbell);
		}
		while (__atomic_load_n(&page->completed, __ATOMIC_ACQUIRE) != index && !stop)
			sched_yield();
		early += !atomic_load(&targets[id].pending);
		for (unsigned i = 0; i < n; i++)
			refused += page->entry[(index - 1 - i) % HF_RING_ENTRIES].status != HF_OK;
	}
	if (atomic_fetch_sub(&unfinished, 1) == 1)
		sem_post(&doorbell);
	return NULL;
}

/* False: nobody rings, and somebody waits. */
static bool serve(void)
{
	while (atomic_load(&unfinished)) {
		struct timespec end;

		clock_gettime(CLOCK_REALTIME, &end);
		end.tv_sec += PATIENCE;
		if (sem_timedwait(&doorbell, &end))
			return false;
		do
			ring_quiet(&set);
		while (ring_serve(&set, &service) || ring_listen(&set));
	}
	return true;
}

/* M-RING-8 */
static void no_post_is_lost(void **state)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };
	pthread_t threads[GUESTS];

	(void)state;
	targets = aligned_alloc(64, GUESTS * sizeof(*targets));
	pages = aligned_alloc(64, GUESTS * sizeof(*pages));
	assert_true(targets && pages);
	memset(targets, 0, GUESTS * sizeof(*targets));
	memset(pages, 0, GUESTS * sizeof(*pages));
	service = (struct flush_service){ .targets = targets, .count = GUESTS, .ops = &ops };
	set.rings = rings;
	set.count = GUESTS;
	sem_init(&doorbell, 0, 0);
	unfinished = GUESTS;
	for (unsigned i = 0; i < GUESTS; i++) {
		pages[i].tail = 0u - 100;
		ring_attach(&set, i, &pages[i]);
	}
	for (unsigned i = 0; i < GUESTS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, guest, &pages[i]), 0);
	bool served = serve();

	atomic_store(&stop, true);
	for (unsigned i = 0; i < GUESTS; i++)
		pthread_join(threads[i], NULL);
	assert_true(served);
	assert_int_equal(early, 0);
	assert_int_equal(refused, 0);
	print_message("             %llu entries, %llu passes, rung %llu times\n",
		      (unsigned long long)set.counters.ring_entries,
		      (unsigned long long)set.counters.ring_passes, (unsigned long long)rung);
	sem_destroy(&doorbell);
	free(targets);
	free(pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_post_is_lost),
	};

	return cmocka_run_group_tests_name("ring: threads", tests, NULL, NULL);
}
