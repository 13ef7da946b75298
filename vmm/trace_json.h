/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events as text: Chrome's trace event format, the array form, one object a line. Perfetto and
 * chrome://tracing read it, also when its end is missing.
 * Times are microseconds since `base`. The process is the VM; thread i + 1 is vCPU i, and the
 * one after the last is the thread that serves rings.
 */
#ifndef HF_VMM_TRACE_JSON_H
#define HF_VMM_TRACE_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "switches.h"
#include "trace.h"

#define TRACE_JSON_MAX 640ul /* bytes that one call may write, with the NUL */

struct trace_json {
	uint64_t base; /* CLOCK_MONOTONIC, ns */
	int pid;       /* of the VMM */
};

/* Each writes at most TRACE_JSON_MAX bytes to `to`, and returns their number without the NUL. */

/* The first lines; the process has this name. */
size_t trace_json_begin(const struct trace_json *j, char *to, const char *name);

/* Track `track` (from 0) has this name; `tid` is the host's number of the thread, or 0. */
size_t trace_json_track(const struct trace_json *j, char *to, unsigned track, const char *name,
			int tid);

size_t trace_json_event(const struct trace_json *j, char *to, unsigned track,
			const struct trace_event *e);

size_t trace_json_span(const struct trace_json *j, char *to, unsigned track,
		       const struct switches_span *span);

/* The last line. */
struct trace_json_end {
	uint64_t now, events, lost;
	const char *switches; /* "yes", or why the host's switches are not in the trace */
	bool limited;	      /* the file has reached its limit */
};

size_t trace_json_end(const struct trace_json *j, char *to, const struct trace_json_end *end);

#endif
