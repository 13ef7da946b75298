/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/stopper.c: threads that stand for vCPUs, on CPUs of this machine, and their words. */
#define _GNU_SOURCE
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "vmm/stopper.h"

#define RAM_BYTES (1u << 20)
#define WORDS	  0x8000u
#define VCPUS	  2u

static cpu_set_t allowed;
static unsigned cpus[VCPUS]; /* the first two that we may use */
static struct gmem mem;
static struct stopper stopper;

static void bind_self(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static int setup(void **state)
{
	unsigned found = 0;

	(void)state;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) || gmem_create(&mem, RAM_BYTES))
		return -1;
	for (unsigned i = 0; i < CPU_SETSIZE && found < VCPUS; i++)
		if (CPU_ISSET(i, &allowed))
			cpus[found++] = i;
	return found == VCPUS ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	stopper_end(&stopper);
	gmem_destroy(&mem);
	return sched_setaffinity(0, sizeof(allowed), &allowed);
}

/* Without the right to real-time priority there is nothing to test. */
static void start(uint32_t first, uint32_t count, uint32_t shortest_us, uint32_t longest_us)
{
	struct harness_stops stops = {
		.words_gpa = WORDS,
		.first = first,
		.count = count,
		.shortest_us = shortest_us,
		.longest_us = longest_us,
		.inside = 1000000, /* the stopper's own counts begin at 0 */
	};
	int err = stopper_start(&stopper, &stops, &mem, cpus);

	if (err == -EPERM)
		skip();
	assert_int_equal(err, 0);
}

static void sleep_ms(long ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000 };

	nanosleep(&ts, NULL);
}

static void set_word(unsigned vcpu, uint64_t word)
{
	assert_int_equal(gmem_write(&mem, WORDS + vcpu * sizeof(word), &word, sizeof(word)), 0);
}

/*
 * stopper_start() returns in the first stop, which has looked at the word, and lasts until the end.
 * One that the host's own work has interrupted does not count: then once more.
 */
static void stop_of(unsigned vcpu)
{
	bind_self(cpus[1 - vcpu]);
	for (unsigned tries = 0; tries < 100; tries++) {
		start(vcpu, 1, HARNESS_MAX_STOP_US, HARNESS_MAX_STOP_US);
		stopper_end(&stopper);
		if (stopper.stops.stops)
			break;
	}
	assert_int_equal(stopper.stops.stops, 1);
}

/* A stop is inside if the word of that vCPU says so, and of no other. */
static void looks_at_the_word(void **state)
{
	(void)state;
	set_word(1, 5);
	stop_of(0);
	assert_int_equal(stopper.stops.inside, 0);
	stop_of(1);
	assert_int_equal(stopper.stops.inside, 1);
}

static struct {
	_Atomic uint64_t turns;
	_Atomic bool over;
} counting;

static void *count(void *unused)
{
	(void)unused;
	bind_self(cpus[1]);
	while (!atomic_load(&counting.over))
		atomic_fetch_add(&counting.turns, 1);
	return NULL;
}

/* From start to end, if the stop is that long. */
static void stops_the_thread(void **state)
{
	pthread_t t;
	uint64_t before, after;

	(void)state;
	bind_self(cpus[0]);
	assert_int_equal(pthread_create(&t, NULL, count, NULL), 0);
	while (!atomic_load(&counting.turns))
		continue;
	start(1, 1, HARNESS_MAX_STOP_US, HARNESS_MAX_STOP_US);
	before = atomic_load(&counting.turns);
	sleep_ms(30);
	after = atomic_load(&counting.turns);
	stopper_end(&stopper);
	while (atomic_load(&counting.turns) == after)
		continue;
	atomic_store(&counting.over, true);
	pthread_join(t, NULL);
	assert_int_equal(after, before);
	assert_int_equal(stopper.stops.stops, 1);
	assert_int_equal(stopper.stops.in_force, 1);
}

static void ends_twice(void **state)
{
	(void)state;
	start(0, 1, 1, 1);
	stopper_end(&stopper);
	stopper_end(&stopper);
	assert_false(stopper.running);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(looks_at_the_word, setup, teardown),
		cmocka_unit_test_setup_teardown(stops_the_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_twice, setup, teardown),
	};

	return cmocka_run_group_tests_name("stopper", tests, NULL, NULL);
}
