/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "exit.h"
#include "machine.h"

/* jansson takes over the value; a failure for want of memory leaves the key out. */
static void put(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

static void put_u64(json_t *object, const char *key, uint64_t value)
{
	put(object, key, json_integer((json_int_t)value));
}

static json_t *latency_json(const struct histogram_view *view)
{
	json_t *o = json_object(), *buckets = json_array();
	uint64_t seen = 0;

	put_u64(o, "count", view->count);
	put_u64(o, "sum_ns", view->sum);
	put_u64(o, "max_ns", view->max);
	put_u64(o, "p50_ns", histogram_quantile(view, 500));
	put_u64(o, "p99_ns", histogram_quantile(view, 990));
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && seen < view->count; i++) {
		seen += view->bucket[i];
		json_array_append_new(buckets, json_integer((json_int_t)view->bucket[i]));
	}
	put(o, "log2_ns", buckets);
	return o;
}

/* Kinds of which there were none are left out. */
static json_t *latencies_json(const struct watch *w)
{
	json_t *o = json_object();

	for (unsigned k = 0; k < WATCH_KINDS; k++) {
		struct histogram_view view = { 0 };

		histogram_read(&w->latency[k], &view);
		if (view.count)
			put(o, watch_kind_name((enum watch_kind)k), latency_json(&view));
	}
	return o;
}

static json_t *watch_json(const struct watch *w)
{
	json_t *o = json_object();

#define PUT(name, what) put_u64(o, #name, counter_read(&w->counters.name));
	WATCH_COUNTERS(PUT)
#undef PUT
	put(o, "latency", latencies_json(w));
	return o;
}

/* By the reason, those that occurred. */
static json_t *exits_json(const struct vcpu *v)
{
	json_t *o = json_object();

	for (unsigned e = 0; e < VCPU_EXIT_REASONS; e++) {
		uint64_t n = counter_read(&v->exits[e]);

		if (n)
			put_u64(o, exit_name(e), n);
	}
	return o;
}

static json_t *vcpu_json(const struct vcpu *v)
{
	json_t *o = watch_json(v->watch);

	put_u64(o, "vcpu", v->index);
	put_u64(o, "kicked", counter_read(&v->flush->kicks));
	put_u64(o, "flushes", counter_read(&v->flush->flushes));
#define PUT(name, what) put_u64(o, #name, counter_read(&v->counters.name));
	VCPU_COUNTERS(PUT)
#undef PUT
	put(o, "exits", exits_json(v));
	return o;
}

static json_t *kvm_json(struct machine *m)
{
	struct harness_stats stats;
	json_t *o = json_object();

	stats_read(m, &stats); /* what this KVM does not have is 0, as in the text */
#define PUT(name) put_u64(o, #name, stats.name);
	STATS_SUMMED(PUT)
#undef PUT
	return o;
}

static json_t *rings_json(const struct machine *m)
{
	json_t *o = watch_json(m->rings.watch);

#define PUT(name, what) put_u64(o, #name, counter_read(&m->rings.set.counters.name));
	RING_COUNTERS(PUT)
#undef PUT
	return o;
}

char *stats_json(struct machine *m, uint64_t ms, bool final)
{
	json_t *o = json_object(), *vcpus = json_array();

	put_u64(o, "ms", ms);
	put(o, "final", json_boolean(final));
	put(o, "kvm", kvm_json(m));
	for (unsigned i = 0; i < m->vcpu_count; i++)
		json_array_append_new(vcpus, vcpu_json(&m->vcpus[i]));
	put(o, "vcpus", vcpus);
	put(o, "rings", rings_json(m));
	if (m->observer.tracer.tracks)
		put_u64(o, "trace_lost", tracer_lost(&m->observer.tracer));
	char *line = json_dumps(o, JSON_COMPACT), *whole = NULL;

	json_decref(o);
	if (line) {
		size_t len = strlen(line);

		whole = realloc(line, len + 2);
		if (whole)
			memcpy(whole + len, "\n", 2);
		else
			free(line);
	}
	return whole;
}
