/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/doorbell.c on this host's kernel, with the multishot poll and with the plain one. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/eventfd.h>

#include "fake_poll.h"
#include "vmm/doorbell.h"

#define STORM  20000u
#define ROUNDS 2000u

enum kernel { plain, with_multishot, refuses_multishot };

static struct doorbell bell;

static void make(enum kernel kernel)
{
	int r = doorbell_create(&bell);

	if (r == -EPERM || r == -ENOSYS) {
		print_message("io_uring: %s\n", strerror(-r));
		skip();
	}
	assert_s64(r, 0);
	bell.multishot &= kernel != plain;
	fake_poll_refused = kernel == refuses_multishot;
}

static enum kernel kernel_of(void **state)
{
	return (enum kernel)(uintptr_t)*state;
}

static void *storm(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < STORM; i++)
		doorbell_ring(&bell);
	return NULL;
}

static sem_t served;

static void *one_by_one(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		doorbell_ring(&bell);
		while (sem_wait(&served))
			;
	}
	return NULL;
}

/* Each ring ends a wait: with one that is lost this never ends. */
static void no_ring_is_lost(void **state)
{
	pthread_t t;

	make(kernel_of(state));
	sem_init(&served, 0, 0);
	assert_int_equal(pthread_create(&t, NULL, one_by_one, NULL), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_s64(doorbell_wait(&bell), 0);
		sem_post(&served);
	}
	pthread_join(t, NULL);
	sem_destroy(&served);
	doorbell_destroy(&bell);
}

/* A storm ends some waits, and the ring after it ends one. */
static void storm_of_rings(void **state)
{
	pthread_t t;
	unsigned waits = 0;

	make(kernel_of(state));
	assert_int_equal(pthread_create(&t, NULL, storm, NULL), 0);
	do
		assert_s64(doorbell_wait(&bell), 0);
	while (++waits < 3);
	pthread_join(t, NULL);
	doorbell_ring(&bell);
	assert_s64(doorbell_wait(&bell), 0);
	doorbell_destroy(&bell);
}

/* Rung before anybody waits, more often than the counter can hold. */
static void rung_before(void **state)
{
	make(kernel_of(state));
	assert_int_equal(eventfd_write(bell.fd, UINT64_MAX - 1), 0);
	doorbell_ring(&bell);
	doorbell_ring(&bell);
	assert_s64(doorbell_wait(&bell), 0);
	doorbell_destroy(&bell);
	doorbell_destroy(&bell);
	doorbell_ring(&bell); /* of a machine without one */
}

/* The form that the kernel takes is the form that is used. */
static void falls_back(void **state)
{
	make(kernel_of(state));
	doorbell_ring(&bell);
	assert_s64(doorbell_wait(&bell), 0);
	assert_int_equal(bell.multishot, kernel_of(state) == with_multishot);
	assert_int_equal(bell.armed, bell.multishot);
	doorbell_destroy(&bell);
}

/* A storm while the thread has no time to wait: what it reaps finds room, and no ring is lost. */
static void storm_of_reaped_rings(void **state)
{
	make(kernel_of(state));
	doorbell_ring(&bell);
	assert_s64(doorbell_wait(&bell), 0);
	for (unsigned i = 0; i < STORM; i++) {
		doorbell_ring(&bell);
		doorbell_reap(&bell);
		assert_false(io_uring_cq_has_overflow(bell.uring));
	}
	assert_s64(doorbell_wait(&bell), 0);
	doorbell_ring(&bell);
	assert_s64(doorbell_wait(&bell), 0);
	doorbell_destroy(&bell);
}

#define TEST(name, kernel)                                                      \
	{                                                                       \
#name ", " #kernel, name, NULL, NULL, (void *)(uintptr_t)kernel \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_ring_is_lost, with_multishot),
		TEST(no_ring_is_lost, plain),
		TEST(storm_of_rings, with_multishot),
		TEST(storm_of_rings, plain),
		TEST(rung_before, with_multishot),
		TEST(rung_before, plain),
		TEST(falls_back, refuses_multishot),
		TEST(falls_back, with_multishot),
		TEST(falls_back, plain),
		TEST(no_ring_is_lost, refuses_multishot),
		TEST(storm_of_reaped_rings, with_multishot),
		TEST(storm_of_reaped_rings, plain),
	};

	return cmocka_run_group_tests_name("doorbell", tests, NULL, NULL);
}
