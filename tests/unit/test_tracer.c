/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/tracer.c, trace_json.c and switches.c: the text is valid JSON whatever is recorded, has a
 * track for each thread and every event, keeps to its limit, and says what is not in it.
 */
#include "unit.h"

#include <jansson.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/tracer.h"
#include "vmm/watch.h"

#define TRACKS 3u
#define BASE   1000000000000ull
#define ROOM   (64u << 10)

static struct tracer_track tracks[TRACKS];
static _Atomic bool closed;
static struct tracer tracer;
static char *text;
static size_t len;

const char *exit_name(unsigned reason);
const char *exit_name(unsigned reason)
{
	return reason == 2 ? "io" : NULL;
}

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TRACKS; i++) {
		tracks[i] = (struct tracer_track){ .tid = 4000 + (int)i, .switches.fd = -1 };
		snprintf(tracks[i].name, sizeof(tracks[i].name), "vCPU %u", i);
		tracks[i].ring = aligned_alloc(64, sizeof(struct trace_ring));
		if (!tracks[i].ring)
			return -1;
		memset(tracks[i].ring, 0, sizeof(struct trace_ring));
	}
	atomic_store(&closed, false);
	tracer = (struct tracer){ .json = { BASE, 77 },
				  .tracks = tracks,
				  .count = TRACKS,
				  .limit = 1u << 20,
				  .switches = "yes",
				  .closed = &closed };
	text = NULL;
	len = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TRACKS; i++)
		free(tracks[i].ring);
	free(text);
	return 0;
}

/* Takes what there is, in pieces. */
static void fill(bool last, size_t room)
{
	for (;;) {
		char *grown = realloc(text, len + room + 1);

		assert_non_null(grown);
		text = grown;
		size_t n = tracer_fill(&tracer, last, text + len, room);

		assert_true(n <= room);
		if (!n)
			break;
		len += n;
		text[len] = 0;
	}
}

/* The whole text as JSON. */
static json_t *parsed(void)
{
	json_error_t error;

	fill(true, ROOM);
	json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!all)
		fail_msg("line %d: %s", error.line, error.text);
	assert_true(json_is_array(all));
	return all;
}

static const char *text_of(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static json_int_t number_of(json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* The n-th object of that phase and name. NULL: there are fewer. */
static json_t *find(json_t *all, const char *phase, const char *name, unsigned n)
{
	size_t i;
	json_t *o;

	json_array_foreach(all, i, o)
	{
		if (!strcmp(text_of(o, "ph"), phase) && !strcmp(text_of(o, "name"), name) && !n--)
			return o;
	}
	return NULL;
}

static void put(unsigned track, const struct trace_event *e)
{
	trace_put(tracks[track].ring, e);
}

static void names_its_tracks(void **state)
{
	(void)state;
	json_t *all = parsed();

	for (unsigned i = 0; i < TRACKS; i++) {
		json_t *o = find(all, "M", "thread_name", i);

		assert_non_null(o);
		assert_int_equal(number_of(o, "tid"), i + 1);
		assert_string_equal(text_of(json_object_get(o, "args"), "name"), tracks[i].name);
		assert_int_equal(number_of(json_object_get(o, "args"), "host_tid"), 4000 + i);
	}
	assert_null(find(all, "M", "thread_name", TRACKS));
	assert_non_null(find(all, "M", "process_name", 0));
	json_decref(all);
}

static void names_who_was_waited_for(void **state)
{
	(void)state;
	put(1, &(struct trace_event){ .type = TRACE_WAIT,
				      .start = BASE + 1500,
				      .end = BASE + 12001500,
				      .peer = 2,
				      .flow = 500,
				      .a = 1000,
				      .b = 11998500 });
	json_t *all = parsed(), *o = find(all, "X", "waits for vCPU 2", 0);
	json_t *args = json_object_get(o, "args");

	assert_non_null(o);
	assert_int_equal(number_of(o, "tid"), 2);
	assert_int_equal(number_of(o, "pid"), 77);
	assert_true(json_number_value(json_object_get(o, "ts")) == 1.5);
	assert_true(json_number_value(json_object_get(o, "dur")) == 12000);
	assert_int_equal(number_of(args, "target"), 2);
	assert_true(json_number_value(json_object_get(args, "target_ran_us")) == 1);
	assert_true(json_number_value(json_object_get(args, "target_off_cpu_us")) == 11998.5);
	assert_true(json_number_value(json_object_get(args, "then_initiator_us")) == 0.5);
	json_decref(all);
}

static void says_what_a_call_was(void **state)
{
	(void)state;
	put(0, &(struct trace_event){ .type = TRACE_CALL,
				      .start = BASE,
				      .end = BASE + 5,
				      .peer = WATCH_FLUSH,
				      .a = 40,
				      .b = 2ull << 32 | 3 });
	put(0, &(struct trace_event){ .type = TRACE_CALL, .start = BASE, .a = UINT64_MAX });
	put(2, &(struct trace_event){
		       .type = TRACE_CALL, .start = BASE, .peer = WATCH_RING, .a = 32 });
	json_t *all = parsed(), *args = json_object_get(find(all, "X", "flush", 0), "args");

	assert_int_equal(number_of(args, "initiator"), 0);
	assert_int_equal(number_of(args, "pages"), 40);
	assert_int_equal(number_of(args, "targets"), 3);
	assert_int_equal(number_of(args, "kicks"), 2);
	assert_string_equal(text_of(json_object_get(find(all, "X", "flush", 1), "args"), "pages"),
			    "all");
	assert_int_equal(number_of(json_object_get(find(all, "X", "ring", 0), "args"), "entries"),
			 32);
	json_decref(all);
}

/* Each arrow that begins ends once. */
static void arrows_have_two_ends(void **state)
{
	(void)state;
	put(0, &(struct trace_event){ .type = TRACE_KICK, .start = BASE, .peer = 1, .flow = 99 });
	put(0, &(struct trace_event){ .type = TRACE_KICK, .start = BASE, .peer = 2, .flow = 98 });
	put(0, &(struct trace_event){ .type = TRACE_KICK, .start = BASE, .peer = 2 });
	put(1, &(struct trace_event){ .type = TRACE_ENTRY, .start = BASE, .flow = 99 });
	put(2, &(struct trace_event){ .type = TRACE_SPURIOUS, .start = BASE, .flow = 98 });
	put(2, &(struct trace_event){ .type = TRACE_ENTRY, .start = BASE });
	json_t *all = parsed();

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(number_of(find(all, "s", "kick", i), "id"), 99 - i);
		assert_int_equal(number_of(find(all, "f", "kick", i), "id"), 99 - i);
	}
	assert_null(find(all, "s", "kick", 2));
	assert_null(find(all, "f", "kick", 2));
	assert_non_null(find(all, "i", "kick", 2));
	assert_non_null(find(all, "i", "spurious kick", 0));
	assert_non_null(find(all, "X", "flush on entry", 1));
	json_decref(all);
}

/* No line is cut, and each is JSON, with the largest of all numbers. */
static void largest_numbers(void **state)
{
	(void)state;
	tracer.json.pid = INT32_MAX;
	for (unsigned type = TRACE_RUN; type <= TRACE_SPURIOUS; type++) {
		for (unsigned peer = 0; peer < WATCH_KINDS; peer++)
			put(0, &(struct trace_event){ .type = (uint16_t)type,
						      .start = UINT64_MAX / 2,
						      .end = UINT64_MAX,
						      .flow = UINT64_MAX >> 11,
						      .a = INT64_MAX,
						      .b = UINT64_MAX,
						      .peer = (uint16_t)peer });
	}
	put(0, &(struct trace_event){ .type = TRACE_WAIT, .end = UINT64_MAX, .peer = UINT16_MAX });
	put(0, &(struct trace_event){ .type = TRACE_RUN, .a = 2 });
	json_t *all = parsed();

	assert_string_equal(
		text_of(json_object_get(find(all, "X", "KVM_RUN", WATCH_KINDS), "args"), "exit"),
		"io");
	assert_int_equal(
		number_of(json_object_get(find(all, "i", "end of trace", 0), "args"), "events"),
		7 * WATCH_KINDS + 2);
	json_decref(all);
}

/* However small the pieces, the text is the same. */
static void small_pieces(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		put(i % TRACKS, &(struct trace_event){ .type = TRACE_RUN, .start = BASE + i });
		if (i % 50 == 0)
			fill(false, TRACE_JSON_MAX);
	}
	json_t *all = parsed();

	assert_non_null(find(all, "X", "KVM_RUN", 499));
	assert_null(find(all, "X", "KVM_RUN", 500));
	json_decref(all);
}

static void says_what_was_lost(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TRACE_RING_EVENTS + 7; i++)
		put(1, &(struct trace_event){ .type = TRACE_RUN, .start = BASE + i });
	tracks[2].switches.lost = 3;
	tracer.switches = "EACCES";
	json_t *all = parsed();
	json_t *args = json_object_get(find(all, "i", "end of trace", 0), "args");

	assert_int_equal(tracer_lost(&tracer), 10);
	assert_int_equal(number_of(args, "lost"), 10);
	assert_int_equal(number_of(args, "events"), TRACE_RING_EVENTS);
	assert_true(json_is_false(json_object_get(args, "limited")));
	assert_string_equal(text_of(args, "host_switches"), "EACCES");
	json_decref(all);
}

/* A guest that has it all full of events gets no more than the limit. */
static void keeps_to_its_limit(void **state)
{
	(void)state;
	tracer.limit = 20000;
	for (unsigned i = 0; i < 50; i++) {
		for (unsigned k = 0; k < 100; k++)
			put(0, &(struct trace_event){ .type = TRACE_KICK,
						      .start = BASE,
						      .flow = UINT64_MAX >> 11 });
		fill(false, ROOM);
	}
	assert_true(atomic_load(&closed));
	json_t *all = parsed();

	assert_true(len <= 20000);
	assert_true(len > 20000 - 3 * TRACE_JSON_MAX);
	assert_true(tracer.limited);
	assert_true(json_is_true(json_object_get(
		json_object_get(find(all, "i", "end of trace", 0), "args"), "limited")));
	json_decref(all);
}

static void below_the_limit_nothing_ends(void **state)
{
	(void)state;
	tracer.limit = 20000;
	for (unsigned i = 0; i < 50; i++)
		put(0, &(struct trace_event){ .type = TRACE_RUN, .start = BASE });
	fill(false, ROOM);
	assert_false(atomic_load(&closed));
	assert_false(tracer.limited);
}

/* One that records without end does not keep the others from their turn. */
static void everybody_has_a_turn(void **state)
{
	char *one = malloc(TRACE_JSON_MAX);
	unsigned turns = 0;

	(void)state;
	fill(false, ROOM);
	for (unsigned i = 0; i < TRACE_RING_EVENTS; i++)
		put(0, &(struct trace_event){ .type = TRACE_RUN, .start = BASE });
	assert_true(tracer_fill(&tracer, false, one, TRACE_JSON_MAX)); /* it is track 0's turn */
	put(2, &(struct trace_event){ .type = TRACE_RUN, .start = BASE });
	do {
		for (unsigned i = 0; i < 20; i++) /* more than one piece has room for */
			put(0, &(struct trace_event){ .type = TRACE_RUN, .start = BASE });
		assert_true(tracer_fill(&tracer, false, one, TRACE_JSON_MAX));
		one[TRACE_JSON_MAX - 1] = 0;
		assert_true(++turns < 400);
	} while (!strstr(one, "\"tid\":3"));
	free(one);
}

/* As the kernel writes them: perf_event_open(2), PERF_RECORD_SWITCH with sample_id_all. */
static bool switched(struct switches *s, uint16_t misc, uint64_t time, struct switches_span *span)
{
	const struct {
		struct perf_event_header header;
		uint32_t pid, tid;
		uint64_t time;
		uint32_t cpu, reserved;
	} record = { { PERF_RECORD_SWITCH, misc, sizeof(record) }, 1, 2, time, 6, 0 };

	return switches_record(s, &record, sizeof(record), span);
}

#define OUT	  PERF_RECORD_MISC_SWITCH_OUT
#define PREEMPTED (PERF_RECORD_MISC_SWITCH_OUT | PERF_RECORD_MISC_SWITCH_OUT_PREEMPT)

static void spans_off_the_cpu(void **state)
{
	struct switches s = { .fd = -1 };
	struct switches_span span;

	(void)state;
	assert_false(switched(&s, 0, 5, &span)); /* it began before we looked */
	assert_false(switched(&s, PREEMPTED, 10, &span));
	assert_true(switched(&s, 0, 25, &span));
	assert_int_equal(span.start, 10);
	assert_int_equal(span.end, 25);
	assert_true(span.could_run);
	assert_int_equal(span.cpu, 6);
	assert_false(switched(&s, OUT, 30, &span));
	assert_true(switched(&s, 0, 31, &span));
	assert_false(span.could_run);
	assert_false(switched(&s, 0, 32, &span));
}

static void lost_switches(void **state)
{
	struct switches s = { .fd = -1 };
	struct switches_span span;
	const struct {
		struct perf_event_header header;
		uint64_t id, lost;
	} record = { { PERF_RECORD_LOST, 0, sizeof(record) }, 1, 12 };

	(void)state;
	assert_false(switched(&s, OUT, 30, &span));
	assert_false(switches_record(&s, &record, sizeof(record), &span));
	assert_int_equal(s.lost, 12);
	assert_false(switched(&s, 0, 500, &span)); /* nobody knows since when */
}

static void spans_are_slices(void **state)
{
	const struct switches_span spans[] = { { BASE, BASE + 7000, true, 3 },
					       { BASE, BASE + 9000, false, 3 } };
	char line[TRACE_JSON_MAX];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		size_t n = trace_json_span(&tracer.json, line, 1, &spans[i]);

		assert_int_equal(line[n - 2], ',');
		line[n - 2] = 0;
		json_t *o = json_loads(line, 0, NULL);

		assert_non_null(o);
		assert_string_equal(text_of(o, "name"), i ? "asleep" : "descheduled");
		assert_int_equal(number_of(o, "tid"), 2);
		assert_true(json_number_value(json_object_get(o, "dur")) == (i ? 9 : 7));
		json_decref(o);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_its_tracks),
		TEST(names_who_was_waited_for),
		TEST(says_what_a_call_was),
		TEST(arrows_have_two_ends),
		TEST(largest_numbers),
		TEST(small_pieces),
		TEST(says_what_was_lost),
		TEST(keeps_to_its_limit),
		TEST(below_the_limit_nothing_ends),
		TEST(everybody_has_a_turn),
		TEST(spans_off_the_cpu),
		TEST(lost_switches),
		TEST(spans_are_slices),
	};

	return cmocka_run_group_tests_name("tracer", tests, NULL, NULL);
}
