/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --stats and --trace: the watches of a machine's threads, and the files that the event loop
 * writes from them.
 */
#ifndef HF_VMM_OBSERVER_H
#define HF_VMM_OBSERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "sink.h"
#include "tracer.h"
#include "watch.h"

struct machine;

enum observer_stats {
	STATS_NONE,
	STATS_TEXT, /* at the end, by the program */
	STATS_JSON, /* a line on stderr at the end, and with a period also meanwhile */
};

#define OBSERVER_SINKS	   2u
#define OBSERVER_TRACE_MIB 64u /* the limit of a trace, if no other is given */

/* Part of machine_options. */
struct observer_options {
	enum observer_stats stats;
	unsigned stats_period_s; /* 0: only at the end */
	const char *trace;	 /* path of the file, or NULL */
	unsigned trace_mib;	 /* its limit, at least 1 */
};

/* Zero and observer_init() make one that looks at nothing. */
struct observer {
	struct watch_set set; /* set.watches: one a vCPU, then "rings"; NULL: none */
	struct tracer tracer;
	struct sink sinks[OBSERVER_SINKS]; /* trace, statistics */
	uint64_t start;			   /* CLOCK_MONOTONIC, ns */
	char *stats;			   /* what is being written */
	size_t stats_len, stats_done;
	bool stats_ended;
};

/* Part of machine_result. */
struct observer_result {
	struct histogram_view latency[WATCH_KINDS]; /* ns, all threads together */
	struct watch_totals {
#define WATCH_TOTAL_FIELD(name, what) uint64_t name;
		WATCH_COUNTERS(WATCH_TOTAL_FIELD)
#undef WATCH_TOTAL_FIELD
	} totals;
	uint64_t lost;	      /* events */
	bool limited;	      /* the trace has reached its limit */
	const char *switches; /* NULL, or why the host's switches are not in the trace */
};

void observer_init(struct observer *o);

/* When flush service and rings are there. 0, or -errno after machine_stop(). */
int observer_create(struct machine *m);

/* The vCPU's thread has begun. */
void observer_started(struct machine *m, unsigned vcpu);

/*
 * After the run. If a file could not be written and the guest has passed, the machine's status
 * becomes RUN_HOST_ERROR.
 */
void observer_collect(struct machine *m, struct observer_result *result);

void observer_destroy(struct observer *o);

#endif
