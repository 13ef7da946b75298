/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "trace_json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "exit.h"
#include "watch.h"

#define NS_PER_US 1000u

/* A line, in pieces. What does not fit is cut, and tests/unit/test_tracer.c would find it. */
struct line {
	char *to;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void print(struct line *l, const char *format, ...)
{
	size_t room = TRACE_JSON_MAX - l->len;
	va_list args;

	va_start(args, format);
	int n = vsnprintf(l->to + l->len, room, format, args);
	va_end(args);
	if (n > 0)
		l->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* Microseconds, with the nanoseconds behind the point. */
static void print_us(struct line *l, const char *key, uint64_t ns)
{
	print(l, "\"%s\":%" PRIu64 ".%03u", key, ns / NS_PER_US, (unsigned)(ns % NS_PER_US));
}

static void begin(const struct trace_json *j, struct line *l, const char *phase, unsigned track,
		  uint64_t at)
{
	print(l, "{\"ph\":\"%s\",\"pid\":%d,\"tid\":%u,", phase, j->pid, track + 1);
	print_us(l, "ts", at > j->base ? at - j->base : 0);
	print(l, ",");
}

static void begin_span(const struct trace_json *j, struct line *l, unsigned track, uint64_t start,
		       uint64_t end)
{
	begin(j, l, "X", track, start);
	print_us(l, "dur", end > start ? end - start : 0);
	print(l, ",");
}

/* An arrow begins ("s") or ends ("f") in the slice that lies there, or ends at the next one. */
static void print_arrow(const struct trace_json *j, struct line *l, const char *phase,
			unsigned track, const struct trace_event *e)
{
	const char *binding = e->type == TRACE_SPURIOUS ? "" : "\"bp\":\"e\",";

	if (!e->flow)
		return;
	begin(j, l, phase, track, e->start);
	print(l, "\"cat\":\"kick\",\"name\":\"kick\",%s\"id\":%" PRIu64 "},\n", binding, e->flow);
}

static void print_run(struct line *l, const struct trace_event *e)
{
	const char *exit = exit_name((unsigned)e->a);

	if (e->b)
		print(l, "\"args\":{\"error\":\"%s\"}},\n", strerrorname_np((int)e->b));
	else
		print(l, "\"args\":{\"exit\":\"%s\"}},\n", exit ? exit : "?");
}

static void print_call(struct line *l, unsigned track, const struct trace_event *e)
{
	unsigned kicks = (unsigned)(e->b >> 32), targets = (unsigned)e->b;

	print(l, "\"name\":\"%s\",\"args\":{", watch_kind_name((enum watch_kind)e->peer));
	if (e->peer == WATCH_RING)
		print(l, "\"entries\":%" PRIu64 ",", e->a);
	else
		print(l, "\"initiator\":%u,", track);
	if ((e->peer == WATCH_FLUSH || e->peer == WATCH_STRONG) && e->a == UINT64_MAX)
		print(l, "\"pages\":\"all\",");
	else if (e->peer == WATCH_FLUSH || e->peer == WATCH_STRONG)
		print(l, "\"pages\":%" PRIu64 ",", e->a);
	print(l, "\"targets\":%u,\"kicks\":%u}},\n", targets, kicks);
}

static void print_wait(struct line *l, const struct trace_event *e)
{
	print(l, "\"name\":\"waits for vCPU %u\",\"args\":{\"target\":%u,", e->peer, e->peer);
	print_us(l, "target_ran_us", e->a);
	print(l, ",");
	print_us(l, "target_off_cpu_us", e->b);
	print(l, ",");
	print_us(l, "then_initiator_us", e->flow);
	print(l, "}},\n");
}

size_t trace_json_event(const struct trace_json *j, char *to, unsigned track,
			const struct trace_event *e)
{
	static const char *const names[] = {
#define TYPE_NAME(id, name, what) [TRACE_##id] = (name),
		TRACE_TYPES(TYPE_NAME)
#undef TYPE_NAME
	};
	struct line l = { to, 0 };
	bool instant = e->type == TRACE_KICK || e->type == TRACE_SPURIOUS;

	if (instant)
		begin(j, &l, "i", track, e->start);
	else
		begin_span(j, &l, track, e->start, e->end);
	if (e->type == TRACE_CALL) {
		print_call(&l, track, e);
		return l.len;
	}
	if (e->type == TRACE_WAIT) {
		print_wait(&l, e);
		return l.len;
	}
	print(&l, "\"name\":\"%s\"%s", names[e->type], instant ? ",\"s\":\"t\"" : "");
	if (e->type == TRACE_RUN) {
		print(&l, ",");
		print_run(&l, e);
	} else if (e->type == TRACE_KICK) {
		print(&l, ",\"args\":{\"target\":%u}},\n", e->peer);
		print_arrow(j, &l, "s", track, e);
	} else {
		print(&l, "},\n");
		print_arrow(j, &l, "f", track, e);
	}
	return l.len;
}

size_t trace_json_span(const struct trace_json *j, char *to, unsigned track,
		       const struct switches_span *span)
{
	struct line l = { to, 0 };

	begin_span(j, &l, track, span->start, span->end);
	print(&l, "\"name\":\"%s\",\"args\":{\"then_on_cpu\":%u}},\n",
	      span->could_run ? "descheduled" : "asleep", span->cpu);
	return l.len;
}

size_t trace_json_begin(const struct trace_json *j, char *to, const char *name)
{
	struct line l = { to, 0 };

	print(&l,
	      "[\n{\"ph\":\"M\",\"pid\":%d,\"name\":\"process_name\",\"args\":"
	      "{\"name\":\"%s\"}},\n",
	      j->pid, name);
	return l.len;
}

size_t trace_json_track(const struct trace_json *j, char *to, unsigned track, const char *name,
			int tid)
{
	struct line l = { to, 0 };

	print(&l,
	      "{\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":\"%"
	      "s\","
	      "\"host_tid\":%d}},\n",
	      j->pid, track + 1, name, tid);
	print(&l,
	      "{\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"name\":\"thread_sort_index\",\"args\":"
	      "{\"sort_index\":%u}},\n",
	      j->pid, track + 1, track);
	return l.len;
}

size_t trace_json_end(const struct trace_json *j, char *to, const struct trace_json_end *end)
{
	struct line l = { to, 0 };

	begin(j, &l, "i", 0, end->now);
	print(&l,
	      "\"s\":\"g\",\"name\":\"end of trace\",\"args\":{\"events\":%" PRIu64
	      ",\"lost\":%" PRIu64 ",\"limited\":%s,\"host_switches\":\"%s\"}}\n]\n",
	      end->events, end->lost, end->limited ? "true" : "false", end->switches);
	return l.len;
}
