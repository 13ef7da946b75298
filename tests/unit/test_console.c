/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/console.c: the ring alone, and between threads for TSan. */
#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "vmm/console.h"

#define WRITERS 3u
#define LETTERS 20000u /* a writer; more than the ring holds */

static struct console console;

static int setup(void **state)
{
	(void)state;
	return console_create(&console);
}

static int teardown(void **state)
{
	(void)state;
	console_destroy(&console);
	return 0;
}

static bool take_wake(void)
{
	struct pollfd p = { .fd = console.wake_fd, .events = POLLIN };
	uint64_t count;

	return poll(&p, 1, 0) == 1 && read(console.wake_fd, &count, sizeof(count)) > 0;
}

static void put(const char *text)
{
	while (*text)
		console_put(&console, (uint8_t)*text++);
}

static void bytes_in_order(void **state)
{
	char text[16] = "";

	(void)state;
	put("hello");
	assert_int_equal(console_take(&console, text, 2), 2);
	assert_int_equal(console_take(&console, text + 2, sizeof(text) - 2), 3);
	assert_string_equal(text, "hello");
	assert_int_equal(console_take(&console, text, sizeof(text)), 0);
}

static void around_the_ring(void **state)
{
	static uint8_t bytes[CONSOLE_BYTES];
	unsigned next = 0, seen = 0;

	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < CONSOLE_BYTES - 100; i++)
			console_put(&console, (uint8_t)(next++ * 7));
		size_t n = console_take(&console, bytes, sizeof(bytes));

		assert_int_equal(n, CONSOLE_BYTES - 100);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(bytes[i], (uint8_t)(seen++ * 7));
	}
}

static void closed_console_drops(void **state)
{
	static uint8_t bytes[CONSOLE_BYTES + 1];

	(void)state;
	console_close(&console);
	for (unsigned i = 0; i < 2 * CONSOLE_BYTES; i++)
		console_put(&console, 'x'); /* must not wait */
	assert_true(console_take(&console, bytes, sizeof(bytes)) <= CONSOLE_BYTES);
}

static void first_byte_wakes(void **state)
{
	char text[4];

	(void)state;
	assert_false(take_wake());
	put("a");
	assert_true(take_wake());
	put("b");
	assert_false(take_wake());
	console_take(&console, text, sizeof(text));
	put("c");
	assert_true(take_wake());
}

static void fill(void **state)
{
	static uint8_t bytes[CONSOLE_BYTES];

	(void)state;
	assert_int_equal(console_fill(&console), CONSOLE_EMPTY);
	put("a");
	take_wake();
	assert_int_equal(console_fill(&console), CONSOLE_SOME);
	put("\n");
	assert_true(take_wake());
	assert_int_equal(console_fill(&console), CONSOLE_RIPE);
	put("b");
	assert_int_equal(console_fill(&console), CONSOLE_RIPE);
	assert_int_equal(console_take(&console, bytes, 2), 2);
	assert_int_equal(console_fill(&console), CONSOLE_SOME);
	for (unsigned i = 0; i < CONSOLE_BYTES / 2 - 1; i++)
		put("c");
	assert_true(take_wake());
	assert_int_equal(console_fill(&console), CONSOLE_RIPE);
}

static void *writer(void *arg)
{
	for (unsigned i = 0; i < LETTERS; i++)
		console_put(&console, (uint8_t)((unsigned)(uintptr_t)arg << 6 | (i & 63)));
	return NULL;
}

/* Sleeps on the eventfd as the event loop does: a lost wake-up shows as a time-out. */
static void writers_against_a_loop(void **state)
{
	pthread_t threads[WRITERS];
	unsigned next[WRITERS] = { 0 }, total = 0;
	uint8_t bytes[500];
	uint64_t count;

	(void)state;
	for (uintptr_t w = 0; w < WRITERS; w++)
		assert_int_equal(pthread_create(&threads[w], NULL, writer, (void *)w), 0);
	while (total < WRITERS * LETTERS) {
		struct pollfd p = { .fd = console.wake_fd, .events = POLLIN };
		size_t n;

		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_int_equal(read(console.wake_fd, &count, sizeof(count)), sizeof(count));
		while ((n = console_take(&console, bytes, sizeof(bytes))) > 0) {
			for (size_t i = 0; i < n; i++)
				assert_int_equal(bytes[i] & 63, next[bytes[i] >> 6]++ & 63);
			total += (unsigned)n;
		}
	}
	for (unsigned w = 0; w < WRITERS; w++)
		pthread_join(threads[w], NULL);
}

/* A vCPU that waits for room is let go when the machine stops. */
static void close_frees_a_waiting_writer(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, writer, NULL), 0);
	while (console_fill(&console) != CONSOLE_RIPE)
		sched_yield();
	console_close(&console);
	pthread_join(thread, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_in_order),
		TEST(around_the_ring),
		TEST(closed_console_drops),
		TEST(first_byte_wakes),
		TEST(fill),
		TEST(writers_against_a_loop),
		TEST(close_frees_a_waiting_writer),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
