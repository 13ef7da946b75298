/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "observer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"
#include "stats_json.h"

#define NS_PER_S 1000000000u
#define TRACE_PERIOD_NS                                                          \
	20000000u /* a ring holds what a thread does in that time, and much more \
		   */

/* Linux: the CPU time of a thread of this process as a clock (clock_gettime(2), "dynamic clocks";
 * what pthread_getcpuclockid() returns, but for a thread's number). */
#define THREAD_CLOCK(tid) ((clockid_t)((~(unsigned)(tid) << 3) | 6u))

enum { TRACE_SINK, STATS_SINK };

static uint64_t read_clock(clockid_t clock)
{
	struct timespec t = { 0 };

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_time(void *ctx, unsigned vcpu)
{
	struct machine *m = ctx;
	pid_t tid = atomic_load(&m->vcpus[vcpu].tid);

	return tid ? read_clock(THREAD_CLOCK(tid)) : 0; /* 0 would be the caller's own */
}

/* The loop comes by, and asks the trace for more. */
static void hurry(void *ctx)
{
	struct machine *m = ctx;

	console_wake(&m->console);
}

void observer_init(struct observer *o)
{
	*o = (struct observer){ 0 };
	for (unsigned i = 0; i < OBSERVER_SINKS; i++)
		o->sinks[i].fd = -1;
}

/* A line at a time, in as many pieces as it takes. At the end, the one that is on its way first. */
static size_t fill_stats(void *ctx, bool last, char *to, size_t room)
{
	struct machine *m = ctx;
	struct observer *o = &m->observer;

	if (o->stats && o->stats_done == o->stats_len) {
		free(o->stats);
		o->stats = NULL;
		if (!last)
			return 0;
	}
	if (!o->stats) {
		if (o->stats_ended)
			return 0;
		o->stats_ended = last;
		o->stats_done = 0;
		o->stats = stats_json(m, (read_clock(CLOCK_MONOTONIC) - o->start) / 1000000u, last);
		if (!o->stats)
			return 0;
		o->stats_len = strlen(o->stats);
	}
	size_t left = o->stats_len - o->stats_done, n = left < room ? left : room;

	memcpy(to, o->stats + o->stats_done, n);
	o->stats_done += n;
	return n;
}

static void create_stats(struct machine *m)
{
	m->observer.sinks[STATS_SINK] = (struct sink){
		.name = "stderr",
		.fd = STDERR_FILENO,
		.period_ns = (uint64_t)m->options->observer.stats_period_s * NS_PER_S,
		.fill = fill_stats,
		.ctx = m,
	};
}

/* One track a watch. */
static int create_tracks(struct machine *m, struct tracer *t)
{
	t->tracks = calloc(t->count, sizeof(*t->tracks));
	for (unsigned i = 0; t->tracks && i < t->count; i++) {
		struct tracer_track *track = &t->tracks[i];

		track->switches.fd = -1;
		if (i < m->vcpu_count)
			snprintf(track->name, sizeof(track->name), "vCPU %u", i);
		else
			snprintf(track->name, sizeof(track->name), "rings");
		/* Zero, and memory is taken only as it is used. */
		void *ring = mmap(NULL, sizeof(*track->ring), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (ring == MAP_FAILED)
			return -errno;
		track->ring = ring;
	}
	return t->tracks ? 0 : -ENOMEM;
}

static int create_trace(struct machine *m)
{
	const struct observer_options *options = &m->options->observer;
	struct observer *o = &m->observer;
	struct sink *s = &o->sinks[TRACE_SINK];

	o->tracer = (struct tracer){
		.json = { .base = o->start, .pid = m->pid },
		.count = m->vcpu_count + 1,
		.limit = (uint64_t)options->trace_mib << 20,
		.switches = "yes",
		.closed = &o->set.closed,
	};
	int r = create_tracks(m, &o->tracer);

	if (r)
		return machine_failed(m, "trace", r);
	o->set.hurry = hurry;
	*s = (struct sink){ .name = options->trace,
			    .eager = true,
			    .period_ns = TRACE_PERIOD_NS,
			    .fill = tracer_fill,
			    .ctx = &o->tracer };
	s->fd = open(options->trace, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (s->fd >= 0)
		return 0;
	r = -errno;
	machine_stop(m, RUN_BAD_INPUT, "%s: %s", options->trace, strerror(-r));
	return r;
}

int observer_create(struct machine *m)
{
	const struct observer_options *options = &m->options->observer;
	struct observer *o = &m->observer;
	int r = 0;

	if (options->stats == STATS_NONE && !options->trace)
		return 0;
	o->start = read_clock(CLOCK_MONOTONIC);
	o->set.service = &m->flush;
	o->set.cpu_time = cpu_time;
	o->set.watches = calloc(m->vcpu_count + 1, sizeof(*o->set.watches));
	if (!o->set.watches)
		return machine_failed(m, "statistics", -ENOMEM);
	if (options->stats == STATS_JSON)
		create_stats(m);
	if (options->trace)
		r = create_trace(m);
	if (r)
		return r;
	for (unsigned i = 0; i <= m->vcpu_count; i++) {
		watch_init(&o->set, i, options->trace ? o->tracer.tracks[i].ring : NULL);
		if (i < m->vcpu_count)
			m->vcpus[i].watch = &o->set.watches[i];
	}
	m->rings.watch = &o->set.watches[m->vcpu_count];
	return 0;
}

void observer_started(struct machine *m, unsigned vcpu)
{
	struct tracer *t = &m->observer.tracer;

	if (!t->tracks)
		return;
	struct tracer_track *track = &t->tracks[vcpu];

	track->tid = atomic_load(&m->vcpus[vcpu].tid);
	int r = switches_open(&track->switches, track->tid);

	if (r)
		t->switches = strerrorname_np(-r);
}

void observer_collect(struct machine *m, struct observer_result *result)
{
	struct observer *o = &m->observer;

	*result = (struct observer_result){ 0 };
	for (unsigned i = 0; o->set.watches && i <= m->vcpu_count; i++) {
		const struct watch *w = &o->set.watches[i];

		for (unsigned k = 0; k < WATCH_KINDS; k++)
			histogram_read(&w->latency[k], &result->latency[k]);
#define COLLECT(name, what) result->totals.name += counter_read(&w->counters.name);
		WATCH_COUNTERS(COLLECT)
#undef COLLECT
	}
	if (o->tracer.tracks && !o->sinks[TRACE_SINK].error) {
		result->lost = tracer_lost(&o->tracer);
		result->limited = o->tracer.limited;
		result->switches = strcmp(o->tracer.switches, "yes") ? o->tracer.switches : NULL;
	}
	for (unsigned i = 0; i < OBSERVER_SINKS; i++) {
		const struct sink *s = &o->sinks[i];

		if (!s->error || m->status != RUN_PASSED)
			continue;
		m->status = RUN_HOST_ERROR;
		snprintf(m->reason, sizeof(m->reason), "%s: %s", s->name, strerror(-s->error));
	}
}

void observer_destroy(struct observer *o)
{
	for (unsigned i = 0; o->tracer.tracks && i < o->tracer.count; i++) {
		switches_close(&o->tracer.tracks[i].switches);
		if (o->tracer.tracks[i].ring)
			munmap(o->tracer.tracks[i].ring, sizeof(*o->tracer.tracks[i].ring));
	}
	free(o->tracer.tracks);
	if (o->sinks[TRACE_SINK].fd >= 0)
		close(o->sinks[TRACE_SINK].fd);
	free(o->set.watches);
	free(o->stats);
	observer_init(o);
}
