/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of a trace, in pieces as large as somebody has room for: takes what the threads have
 * recorded, and what the kernel has of them, until a limit is reached. It writes no file.
 */
#ifndef HF_VMM_TRACER_H
#define HF_VMM_TRACER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "switches.h"
#include "trace.h"
#include "trace_json.h"

struct tracer_track {
	char name[24];
	pid_t tid; /* 0: not known */
	struct trace_ring *ring;
	struct switches switches;
};

struct tracer {
	struct trace_json json;
	struct tracer_track *tracks;
	unsigned count;
	uint64_t limit;	      /* bytes of the whole text; at least TRACER_MIN_LIMIT */
	const char *switches; /* as in struct trace_json_end */
	_Atomic bool *closed; /* set at the limit: nobody records any more */

	uint64_t written, events;
	bool limited;
	enum tracer_stage { TRACER_BEGIN, TRACER_TRACKS, TRACER_EVENTS, TRACER_DONE } stage;
	unsigned named;	      /* tracks */
	unsigned next, burst; /* the track whose turn it is, and what it had in this turn */
};

/* For the names of all tracks and the end. */
#define TRACER_MIN_LIMIT(tracks) (((uint64_t)(tracks) + 4) * TRACE_JSON_MAX)

/*
 * More of the text; 0: there is no more at the moment. `room` is at least TRACE_JSON_MAX.
 * With `last` no thread records any more, and it ends the text when all is out; 0 from then on.
 * ctx is the tracer.
 */
size_t tracer_fill(void *ctx, bool last, char *to, size_t room);

/* Events that are not in the text because there was no room for them; up to the limit. */
uint64_t tracer_lost(const struct tracer *t);

#endif
