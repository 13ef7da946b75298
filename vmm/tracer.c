/* SPDX-License-Identifier: BSD-2-Clause */
#include "tracer.h"

#include <time.h>

#define TURN 64u /* events of one track, before the others have their turn */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t tracer_lost(const struct tracer *t)
{
	uint64_t lost = 0;

	for (unsigned i = 0; i < t->count; i++)
		lost += trace_dropped(t->tracks[i].ring) + t->tracks[i].switches.lost;
	return lost;
}

static size_t take_from(struct tracer *t, unsigned i, char *to)
{
	struct tracer_track *track = &t->tracks[i];
	struct switches_span span;
	struct trace_event e;

	if (trace_take(track->ring, &e))
		return trace_json_event(&t->json, to, i, &e);
	if (switches_take(&track->switches, &span))
		return trace_json_span(&t->json, to, i, &span);
	return 0;
}

/* The next event of any track; 0: there is none. */
static size_t take(struct tracer *t, char *to)
{
	/* Once more than there are: the first may only have had its turn. */
	for (unsigned tried = 0; tried <= t->count; tried++) {
		size_t n = t->burst < TURN ? take_from(t, t->next, to) : 0;

		if (n) {
			t->burst++;
			t->events++;
			return n;
		}
		t->burst = 0;
		t->next = (t->next + 1) % t->count;
	}
	return 0;
}

static void reach_limit(struct tracer *t)
{
	t->limited = true;
	atomic_store(t->closed, true);
	for (unsigned i = 0; i < t->count; i++)
		switches_close(&t->tracks[i].switches);
}

/* There must be room for one more event, and for the end, below the limit. */
static bool fits(const struct tracer *t, size_t len)
{
	return t->written + len + 2 * TRACE_JSON_MAX <= t->limit;
}

static size_t end(struct tracer *t, char *to)
{
	t->stage = TRACER_DONE;
	return trace_json_end(&t->json, to,
			      &(struct trace_json_end){ .now = now_ns(),
							.events = t->events,
							.lost = tracer_lost(t),
							.switches = t->switches,
							.limited = t->limited });
}

/* At most TRACE_JSON_MAX bytes; 0: nothing is there. */
static size_t next_piece(struct tracer *t, bool last, char *to, size_t len)
{
	size_t n = 0;

	switch (t->stage) {
	case TRACER_BEGIN:
		t->stage = TRACER_TRACKS;
		return trace_json_begin(&t->json, to, "hyperflush");
	case TRACER_TRACKS:
		if (t->named < t->count) {
			struct tracer_track *track = &t->tracks[t->named];

			return trace_json_track(&t->json, to, t->named++, track->name, track->tid);
		}
		t->stage = TRACER_EVENTS;
		/* fall through */
	case TRACER_EVENTS:
		if (!t->limited && !fits(t, len))
			reach_limit(t);
		if (!t->limited)
			n = take(t, to);
		return n || !last ? n : end(t, to);
	case TRACER_DONE:
		break;
	}
	return 0;
}

size_t tracer_fill(void *ctx, bool last, char *to, size_t room)
{
	struct tracer *t = ctx;
	size_t len = 0;

	while (room - len >= TRACE_JSON_MAX) {
		size_t n = next_piece(t, last, to + len, len);

		if (!n)
			break;
		len += n;
	}
	t->written += len;
	return len;
}
