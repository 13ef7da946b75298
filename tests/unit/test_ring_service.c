/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/ring_service.c: its thread on this host's io_uring, with the doorbell rung by the test in
 * KVM's place. Nobody is in KVM_RUN, so a served entry is a flush that is pending.
 */
#define _GNU_SOURCE
#include "unit.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/machine.h"
#include "vmm/service.h"

#define VCPUS  4u
#define STORM  20000u
#define ROUNDS 500u

static struct machine machine;
static struct hf_ring *pages;
static struct kvm_ioeventfd ioeventfd;
static unsigned ioeventfds;

int machine_ioctl_named(struct machine *m, int fd, unsigned long request, const char *name,
			void *arg)
{
	(void)m;
	(void)fd;
	(void)name;
	assert_true(request == KVM_IOEVENTFD);
	/* cppcheck-suppress ctuuninitvar; it thinks of vcpu.c, which calls another one */
	memcpy(&ioeventfd, arg, sizeof(ioeventfd));
	ioeventfds++;
	return 0;
}

int machine_failed(struct machine *m, const char *what, int err)
{
	(void)m;
	print_message("%s: %s\n", what, strerror(-err));
	return err;
}

static void (*at_kick)(void);

static void kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	(void)vcpu;
	if (!at_kick)
		abort();
	at_kick();
}

static void barrier(void *ctx)
{
	(void)ctx;
}

static void *zeroed(size_t bytes)
{
	void *p = aligned_alloc(64, bytes);

	assert_non_null(p);
	return memset(p, 0, bytes);
}

static int setup(void **state)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };

	(void)state;
	memset(&machine, 0, sizeof(machine));
	machine.advertised = 1u << HF_BACKEND_HYPERFLUSH;
	machine.vcpu_count = VCPUS;
	machine.rings.doorbell.fd = -1;
	machine.flush = (struct flush_service){ zeroed(VCPUS * sizeof(struct flush_target)), VCPUS,
						&ops, NULL };
	pages = zeroed(VCPUS * sizeof(*pages));
	pthread_mutex_init(&machine.rings.lock, NULL);
	pthread_cond_init(&machine.rings.attachment, NULL);
	ioeventfds = 0;
	at_kick = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	atomic_store(&machine.stop, true);
	doorbell_ring(&machine.rings.doorbell);
	ring_service_join(&machine);
	ring_service_destroy(&machine);
	free(machine.flush.targets);
	free(pages);
	return 0;
}

static void start(void)
{
	int r = ring_service_create(&machine);

	if (r == -EPERM || r == -ENOSYS)
		skip(); /* no io_uring on this host */
	assert_s64(r, 0);
	for (unsigned i = 0; i < VCPUS; i++)
		ring_attach(&machine.rings.set, i, &pages[i]);
	assert_s64(ring_service_start(&machine), 0);
}

/* "All but self", as often as that. */
static void post(unsigned vcpu, unsigned times)
{
	const struct hf_flush request = { .set_kind = HF_SET_ALL_BUT_SELF };
	struct hf_ring *p = &pages[vcpu];

	for (unsigned i = 0; i < times; i++) {
		struct hf_ring_entry *e = &p->entry[(p->tail + i) % HF_RING_ENTRIES];

		memcpy(e->request, &request, sizeof(request));
		e->length = sizeof(request);
	}
	__atomic_store_n(&p->tail, p->tail + times, __ATOMIC_SEQ_CST);
}

static void ring_if_told(unsigned vcpu)
{
	if (__atomic_load_n(&pages[vcpu].need_doorbell, __ATOMIC_SEQ_CST))
		assert_int_equal(eventfd_write((int)ioeventfd.fd, 1), 0);
}

static void wait_for(unsigned vcpu)
{
	while (__atomic_load_n(&pages[vcpu].completed, __ATOMIC_ACQUIRE) != pages[vcpu].tail)
		sched_yield();
}

/* What guests cannot learn elsewhere: the port takes 32 bits, of any value. */
static void doorbell_port(void **state)
{
	(void)state;
	start();
	assert_int_equal(ioeventfds, 1);
	assert_int_equal(ioeventfd.addr, DOORBELL_PORT);
	assert_int_equal(ioeventfd.len, 4);
	assert_int_equal(ioeventfd.flags, KVM_IOEVENTFD_FLAG_PIO);
	assert_int_equal(ioeventfd.fd, machine.rings.doorbell.fd);
}

/* M-CPUID-5 */
static void not_advertised(void **state)
{
	(void)state;
	machine.advertised = 1u << HF_BACKEND_HYPERV;
	assert_s64(ring_service_create(&machine), 0);
	assert_s64(ring_service_start(&machine), 0);
	assert_int_equal(ioeventfds, 0);
	assert_false(machine.rings.has_thread);
}

/* With one that nobody notices this never ends. M-RING-8. */
static void posts_are_served(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned v = 0; v < VCPUS; v++)
			atomic_store(&machine.flush.targets[v].pending, 0);
		post(i % VCPUS, 1 + i % HF_RING_ENTRIES);
		ring_if_told(i % VCPUS);
		wait_for(i % VCPUS);
		for (unsigned v = 0; v < VCPUS; v++)
			assert_int_equal(machine.flush.targets[v].pending, v != i % VCPUS);
	}
	assert_int_equal(machine.rings.set.counters.ring_refused, 0);
}

/* One ring of the doorbell is enough for all rings. */
static void one_doorbell_for_all(void **state)
{
	(void)state;
	start();
	for (unsigned v = 0; v < VCPUS; v++)
		post(v, 8);
	ring_if_told(2);
	for (unsigned v = 0; v < VCPUS; v++)
		wait_for(v);
	assert_int_equal(machine.rings.set.counters.ring_passes, 1);
	assert_int_equal(machine.rings.set.counters.ring_entries, VCPUS * 8);
}

static void storm(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < STORM; i++) {
		doorbell_ring(&machine.rings.doorbell);
		if (i % 1000 == 0)
			post(0, 1);
		if (i % 1000 == 999)
			wait_for(0);
	}
	assert_int_equal(machine.rings.set.counters.ring_entries, STORM / 1000);
}

/* Garbage in all rings but one, again and again: that one is served. M-RING-9. */
static void rings_of_garbage(void **state)
{
	uint64_t random = 88172645463325252ull;

	(void)state;
	start();
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned v = 1; v < VCPUS; v++) {
			for (size_t w = 0; w < sizeof(*pages) / sizeof(uint32_t); w++) {
				random ^= random << 13;
				random ^= random >> 7;
				random ^= random << 17;
				__atomic_store_n((uint32_t *)(void *)&pages[v] + w,
						 (uint32_t)random, __ATOMIC_RELAXED);
			}
			ring_service_attach(&machine.rings, v, &pages[v]);
			__atomic_fetch_add(&pages[v].tail, (uint32_t)(random >> 59),
					   __ATOMIC_SEQ_CST);
		}
		post(0, 1);
		doorbell_ring(&machine.rings.doorbell);
		wait_for(0);
		assert_s64(pages[0].error, HF_OK);
	}
	assert_true(machine.rings.set.counters.ring_stopped > 0);
	assert_true(machine.rings.set.counters.ring_refused > 0);
}

static _Atomic pid_t server; /* the thread "rings" */

static bool is_asleep(pid_t tid)
{
	char path[64], stat[128] = "";
	int n = snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	FILE *f = n > 0 ? fopen(path, "re") : NULL;

	if (!f || !fgets(stat, sizeof(stat), f))
		abort(); /* cmocka's checks are for its own thread */
	fclose(f);
	return strstr(stat, ") S ");
}

/* In the middle of a pass: the next one has something to do as well. */
static void go_on(void)
{
	atomic_store(&server, gettid());
	post(0, 1);
}

/* Until the thread waits for somebody who has announced himself: the pass in progress, no other. */
static void sleeps_after(uint64_t passes)
{
	const _Atomic uint64_t *made = &machine.rings.set.counters.ring_passes;
	uint64_t before = *made;

	while (!is_asleep(server))
		assert_in_range(*made - before, 0, passes);
}

static void attach_late(unsigned vcpu)
{
	struct ring_service *s = &machine.rings;

	pthread_mutex_lock(&s->lock);
	ring_attach(&s->set, vcpu, &pages[vcpu]);
	s->attached++;
	pthread_cond_signal(&s->attachment);
	pthread_mutex_unlock(&s->lock);
}

/* However much there is to do, a vCPU that registers waits for one pass; and however many register,
 * so does the thread. */
static void registers_between_two_passes(void **state)
{
	struct ring_service *s = &machine.rings;

	(void)state;
	start();
	flush_enter(&machine.flush.targets[1]); /* in KVM_RUN: each pass kicks it */
	at_kick = go_on;
	atomic_store(&server, 0);
	post(0, 1);
	ring_if_told(0);
	while (!atomic_load(&server))
		sched_yield();
	for (unsigned i = 0; i < ROUNDS / 10; i++) {
		atomic_fetch_add(&s->announced, 1);
		sleeps_after(1);
		uint64_t before = s->set.counters.ring_passes;

		atomic_fetch_add(&s->announced, 1); /* the next one comes too late for this pass */
		attach_late(2);
		while (s->set.counters.ring_passes == before)
			sched_yield();
		sleeps_after(0);
		assert_int_equal(s->set.counters.ring_passes, before + 1);
		attach_late(3);
		ring_service_attach(s, 2, &pages[2]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(doorbell_port),
		TEST(not_advertised),
		TEST(posts_are_served),
		TEST(one_doorbell_for_all),
		TEST(storm),
		TEST(rings_of_garbage),
		TEST(registers_between_two_passes),
	};

	return cmocka_run_group_tests_name("ring service", tests, NULL, NULL);
}
