/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/sink.c: what is written, in which order, and when it is over. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/sink.h"

static struct sink *sink;
static const char *parts[4]; /* what fill() gives, one a call */
static unsigned asked;
static bool asked_last;

static size_t fill(void *ctx, bool last, char *to, size_t room)
{
	assert_ptr_equal(ctx, &asked);
	assert_int_equal(room, SINK_BYTES);
	asked_last = last;

	const char *part = asked < COUNT_OF(parts) ? parts[asked] : NULL;

	asked++;
	if (!part)
		return 0;
	return (size_t)snprintf(to, room, "%s", part);
}

static int setup(void **state)
{
	(void)state;
	sink = calloc(1, sizeof(*sink));
	if (!sink)
		return -1;
	sink->fill = fill;
	sink->ctx = &asked;
	sink->fd = 2;
	memset(parts, 0, sizeof(parts));
	asked = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(sink);
	return 0;
}

static void expect_bytes(const char *bytes)
{
	assert_true(sink_has_bytes(sink));
	assert_int_equal(sink->len - sink->done, strlen(bytes));
	assert_memory_equal(sink->bytes + sink->done, bytes, strlen(bytes));
}

static void not_due(void **state)
{
	(void)state;
	parts[0] = "text";
	assert_false(sink_has_bytes(sink));
	assert_int_equal(asked, 0);
}

static void writes_until_there_is_no_more(void **state)
{
	(void)state;
	parts[0] = "first";
	parts[1] = "second";
	sink->due = true;
	expect_bytes("first");
	assert_true(sink_written(sink, 2)); /* the kernel took a part */
	expect_bytes("rst");
	assert_true(sink_written(sink, -EINTR));
	expect_bytes("rst");
	assert_true(sink_written(sink, 3));
	expect_bytes("second");
	assert_false(asked_last);
	assert_true(sink_written(sink, 6));
	assert_false(sink_has_bytes(sink));
	assert_int_equal(asked, 3);
	assert_false(sink_has_bytes(sink)); /* it is not asked again before it is due */
	assert_int_equal(asked, 3);
}

/* Whenever the loop comes by. */
static void eager(void **state)
{
	(void)state;
	parts[1] = "text";
	sink->eager = true;
	assert_false(sink_has_bytes(sink));
	expect_bytes("text");
	assert_true(sink_written(sink, 4));
	assert_false(sink_has_bytes(sink));
	assert_int_equal(asked, 3);
}

static void full_pipe(void **state)
{
	(void)state;
	parts[0] = "first";
	sink->due = true;
	expect_bytes("first");
	assert_false(sink_written(sink, -EAGAIN));
	assert_int_equal(sink->error, 0);
	expect_bytes("first");
}

static void full_disk(void **state)
{
	(void)state;
	parts[0] = "first";
	sink->due = true;
	expect_bytes("first");
	assert_true(sink_written(sink, -ENOSPC));
	assert_int_equal(sink->error, -ENOSPC);
	assert_false(sink_has_bytes(sink));
}

static void no_file(void **state)
{
	(void)state;
	parts[0] = "first";
	sink->due = true;
	sink->fd = -1;
	assert_false(sink_has_bytes(sink));
	assert_int_equal(asked, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(not_due),	 TEST(writes_until_there_is_no_more),
		TEST(full_pipe), TEST(full_disk),
		TEST(no_file),	 TEST(eager),
	};

	return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}
