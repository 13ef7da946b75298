/* SPDX-License-Identifier: BSD-2-Clause */
/* `hyperflush bench`: the guests of a plan one after the other, then the report. */
#include "bench.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "backend.h"
#include "caveat.h"
#include "harness.h"
#include "kvm.h"
#include "machine.h"
#include "plan.h"
#include "report.h"

struct bench {
	struct plan plan;
	struct kvm kvm;
	bool counting; /* a TSC tick is an instruction */
	struct results results;
	enum hf_backend backend; /* of the guest that runs, */
	unsigned targets;	 /* and their number */
	int error;		 /* -errno of a row that could not be kept */
};

static int host_error(const char *what, int err)
{
	fprintf(stderr, "hyperflush bench: %s: %s\n", what, strerror(-err));
	return RUN_HOST_ERROR;
}

static void name_placement(struct result *r, const struct harness_place *place)
{
	if (r->placement_kind == HARNESS_DESCHEDULED)
		snprintf(r->placement, sizeof(r->placement), "descheduled");
	else
		snprintf(r->placement, sizeof(r->placement), "%u:1", place->ratio);
}

static int keep_record(void *ctx, const struct harness_record *record,
		       const struct harness_place *place, const struct harness_sample *samples,
		       uint32_t count, uint32_t tsc_khz)
{
	struct bench *b = ctx;
	double ns = tsc_khz ? 1e6 / tsc_khz : 1;
	double counted = record->counted_ops ? record->counted_ops : (double)NAN;
	struct result r = {
		.placement_kind = record->placement,
		.targets = record->targets,
		.unit = b->counting ? "instructions" : "ns",
		.per_op = { .exits = (double)record->exits / counted,
			    .kicks = (double)record->kicks / counted },
	};
	double *ticks = calloc(count ? count : 1, sizeof(*ticks));

	if (!ticks) {
		b->error = -ENOMEM;
		return HARNESS_EOK;
	}
	memcpy(r.suite, record->suite, sizeof(r.suite));
	memcpy(r.name, record->name, sizeof(r.name));
	memcpy(r.backend, record->backend, sizeof(r.backend));
	name_placement(&r, place);
	for (uint32_t i = 0; i < count; i++)
		ticks[i] = (double)samples[i].ticks;
	result_summarise(&r, ticks, count, b->counting ? 1 : ns);
	result_count(&r, samples, count, ns);
	free(ticks);
	int err = results_add(&b->results, &r);

	if (err == -ENOSPC)
		return HARNESS_ENOSPC;
	if (err)
		b->error = err;
	return HARNESS_EOK;
}

static void keep_refusal(void *ctx, const struct harness_place *place, const char *reason)
{
	static const char *const names[] = { [HARNESS_OWN_CPU] = "1:1",
					     [HARNESS_OVERCOMMITTED] = "overcommitted",
					     [HARNESS_DESCHEDULED] = "descheduled" };
	const size_t known = sizeof(names) / sizeof(names[0]);
	uint32_t kind = place->placement;
	struct bench *b = ctx;
	char text[192];

	snprintf(text, sizeof(text), "%s: %s", kind < known && names[kind] ? names[kind] : "?",
		 reason);
	int err = results_skip(&b->results, backend_name(b->backend), b->targets, text);

	/* Beyond the guest's share: the refusal itself has told it. */
	if (err && err != -ENOSPC)
		b->error = err;
}

/* RUN_PASSED, or the status that ends the whole benchmark, with its line printed. */
static int run_guest(struct bench *b, const struct plan_guest *guest)
{
	const unsigned backend = guest->backend, targets = guest->targets;
	char append[128];
	struct harness harness;
	struct machine_result result;
	struct machine_options options = {
		.kernel = b->plan.kernel,
		.append = append,
		.vcpus = targets + 1,
		.flush = backend,
		.console = CONSOLE_CAPTURE,
		.harness = &harness,
	};
	const char *lacking = backend_lacking(&b->kvm, backend_interfaces(backend), targets + 1);

	b->backend = backend;
	b->targets = targets;
	results_begin(&b->results);
	if (lacking) {
		b->error = results_skip(&b->results, backend_name(backend), targets, lacking);
		return RUN_PASSED;
	}
	snprintf(append, sizeof(append), "suite=bench-%s samples=%u%s%s", plan_suite_name(&b->plan),
		 b->plan.samples, guest->cases ? " cases=" : "", guest->cases ? guest->cases : "");
	int err = harness_init(&harness);

	if (err)
		return host_error("sched_getaffinity", err);
	harness.record = keep_record;
	harness.refused = keep_refusal;
	harness.ctx = b;

	int status = machine_run(&options, &result);

	harness_destroy(&harness);
	if (status != RUN_PASSED)
		fprintf(stderr, "\nhyperflush bench: %s with %u targets failed: %s\n%s",
			backend_name(backend), targets, result.reason,
			result.console ? result.console : "");
	machine_result_free(&result);
	return status;
}

static int run_all(struct bench *b)
{
	unsigned total = plan_guest_count(&b->plan);

	for (unsigned i = 0; i < total; i++) {
		struct plan_guest guest = plan_guest(&b->plan, i);

		fprintf(stderr, "bench %u/%u: %s, %u targets\n", i + 1, total,
			backend_name(guest.backend), guest.targets);
		int status = run_guest(b, &guest);

		if (status != RUN_PASSED)
			return status;
		if (b->error)
			return host_error("a result", b->error);
	}
	return RUN_PASSED;
}

static int compare_rows(const void *x, const void *y)
{
	const struct result *a = x, *b = y;

	int names = strcmp(a->name, b->name);

	if (names)
		return names;
	if (a->placement_kind != b->placement_kind)
		return a->placement_kind < b->placement_kind ? -1 : 1;
	if (a->targets != b->targets)
		return a->targets < b->targets ? -1 : 1;
	if (backend_by_name(a->backend) != backend_by_name(b->backend))
		return backend_by_name(a->backend) - backend_by_name(b->backend);
	return strcmp(a->backend, b->backend);
}

static int write_report(struct bench *b)
{
	const char *mode = getenv("HF_TESTBED");
	struct utsname uts;
	struct harness harness;
	struct report_host host = {
		.module = kvm_vendor_module(b->kvm.vendor),
		.nested_paging = b->kvm.nested_paging,
		.mode = mode ? mode : "host",
	};
	const char *suite = plan_suite_name(&b->plan);
	char json[PATH_MAX], plot[PATH_MAX], svg[32];

	int err = harness_init(&harness);

	if (err)
		return err;
	uname(&uts);
	host.cpus = harness.placement.cpu_count;
	harness_destroy(&harness);
	snprintf(host.kernel, sizeof(host.kernel), "%s", uts.release);
	if (b->results.count)
		qsort(b->results.list, b->results.count, sizeof(*b->results.list), compare_rows);
	report_table(stdout, &b->results);
	if (mkdir(b->plan.out_dir, 0777) && errno != EEXIST)
		return -errno;
	snprintf(json, sizeof(json), "%s/%s.json", b->plan.out_dir, suite);
	snprintf(plot, sizeof(plot), "%s/%s.gp", b->plan.out_dir, suite);
	snprintf(svg, sizeof(svg), "%s.svg", suite);
	err = report_json(json, &host, &b->results);

	return err ? err : report_plot(plot, svg, &host, &b->results);
}

static void warn(const struct bench *b)
{
	struct utsname uts;

	uname(&uts);
	const char *text = caveat_warning(&b->kvm, caveat_version(&uts), b->plan.backends);
	if (text)
		fprintf(stderr, "hyperflush bench: warning: hyperv, lowered: %s\n", text);
}

int bench_main(int argc, char **argv)
{
	struct bench b = { 0 };
	const char *what, *mode = getenv("HF_TESTBED");
	int status = plan_parse(&b.plan, argc, argv);

	if (status >= 0)
		return status;
	b.counting = mode && !strcmp(mode, "icount");
	int err = kvm_open(&b.kvm, &what);

	if (err) {
		kvm_close(&b.kvm);
		return host_error(what, err);
	}
	warn(&b);
	status = run_all(&b);
	if (status == RUN_PASSED && (err = write_report(&b)))
		status = host_error("cannot write the report", err);
	kvm_close(&b.kvm);
	results_free(&b.results);
	return status;
}
