/* SPDX-License-Identifier: BSD-2-Clause */
/* `hyperflush bench`: one guest for each backend and number of targets, then the report. */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "backend.h"
#include "harness.h"
#include "kvm.h"
#include "machine.h"
#include "report.h"

#define MAX_TARGET_COUNTS 16u

struct plan {
	const char *kernel, *out_dir;
	unsigned samples;
	unsigned targets[MAX_TARGET_COUNTS];
	unsigned target_count;
	uint32_t backends; /* 1u << enum hf_backend */
};

struct bench {
	struct plan plan;
	struct kvm kvm;
	bool counting; /* a TSC tick is an instruction */
	struct results results;
	int error; /* -errno of a record that could not be kept */
};

static const unsigned all_targets[] = { 1, 3, 7, 15, 31, 63 };
static const unsigned quick_targets[] = { 3, 7 };

#define FULL_SAMPLES  200u
#define QUICK_SAMPLES 40u

static const char usage[] = "usage: hyperflush bench [OPTION]... KERNEL\n"
			    "Measures what a cross-vCPU TLB flush costs with each backend.\n"
			    "  --suite NAME      the suite to run: flush (default)\n"
			    "  --backends LIST   comma-separated; default: all but the controls\n"
			    "  --targets LIST    numbers of target vCPUs; default 1,3,7,15,31,63\n"
			    "  --samples N       flushes a case; default 200\n"
			    "  --quick           40 samples, targets 3,7\n"
			    "  --out DIR         where SUITE.json and SUITE.gp go; default .\n"
			    "Exit status as for `hyperflush run`.\n";

static bool parse_unsigned(const char *text, unsigned max, unsigned *value)
{
	char *end;

	errno = 0;
	unsigned long v = strtoul(text, &end, 10);

	if (errno || end == text || *end || *text == '-' || !v || v > max)
		return false;
	*value = (unsigned)v;
	return true;
}

/* Calls `add` for each comma-separated word. False at the first that it refuses. */
static bool parse_list(struct plan *plan, char *list, bool (*add)(struct plan *, const char *))
{
	char *save = NULL;

	for (char *word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save))
		if (!add(plan, word))
			return false;
	return true;
}

static bool add_backend(struct plan *plan, const char *word)
{
	int id = backend_by_name(word);

	if (id < 0 || id >= HF_BACKEND_COUNT)
		return false;
	plan->backends |= 1u << id;
	return true;
}

static bool add_targets(struct plan *plan, const char *word)
{
	return plan->target_count < MAX_TARGET_COUNTS &&
	       parse_unsigned(word, MACHINE_MAX_VCPUS - 1, &plan->targets[plan->target_count++]);
}

static int bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "hyperflush bench: %s%s; see hyperflush bench --help\n", what, value);
	return RUN_BAD_INPUT;
}

static void default_targets(struct plan *plan, const unsigned *targets, size_t count)
{
	memcpy(plan->targets, targets, count * sizeof(*targets));
	plan->target_count = (unsigned)count;
}

/* -1: go on; else the exit status. */
static int parse_plan(struct plan *plan, int argc, char **argv)
{
	static const struct option options[] = {
		{ "suite", required_argument, NULL, 's' },
		{ "backends", required_argument, NULL, 'b' },
		{ "targets", required_argument, NULL, 't' },
		{ "samples", required_argument, NULL, 'n' },
		{ "quick", no_argument, NULL, 'q' },
		{ "out", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool quick = false;
	int c;

	*plan = (struct plan){ .out_dir = "." };
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (c) {
		case 's':
			if (strcmp(optarg, "flush"))
				return bad_usage("no suite ", optarg);
			break;
		case 'b':
			if (!parse_list(plan, optarg, add_backend))
				return bad_usage("bad list of backends", "");
			break;
		case 't':
			if (!parse_list(plan, optarg, add_targets))
				return bad_usage("bad list of targets", "");
			break;
		case 'n':
			if (!parse_unsigned(optarg, HARNESS_MAX_SAMPLES, &plan->samples))
				return bad_usage("bad number of samples ", optarg);
			break;
		case 'q':
			quick = true;
			break;
		case 'o':
			plan->out_dir = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return RUN_PASSED;
		default:
			return bad_usage("bad option ", argv[optind - 1]);
		}
	}
	if (argc - optind != 1)
		return bad_usage("exactly one kernel file is needed", "");
	plan->kernel = argv[optind];
	if (!plan->samples)
		plan->samples = quick ? QUICK_SAMPLES : FULL_SAMPLES;
	if (!plan->target_count && quick)
		default_targets(plan, quick_targets,
				sizeof(quick_targets) / sizeof(quick_targets[0]));
	else if (!plan->target_count)
		default_targets(plan, all_targets, sizeof(all_targets) / sizeof(all_targets[0]));
	if (!plan->backends)
		plan->backends = ((1u << HF_BACKEND_COUNT) - 1) &
				 ~(1u << HF_BACKEND_NONE | 1u << HF_BACKEND_KICK);
	return -1;
}

static void name_placement(struct result *r, const struct harness_place *place)
{
	if (r->placement_kind == HARNESS_DESCHEDULED)
		snprintf(r->placement, sizeof(r->placement), "descheduled");
	else
		snprintf(r->placement, sizeof(r->placement), "%u:1", place->ratio);
}

static void keep_record(void *ctx, const struct harness_record *record,
			const struct harness_place *place, const struct harness_sample *samples,
			uint32_t count, uint32_t tsc_khz)
{
	struct bench *b = ctx;
	double ns = tsc_khz ? 1e6 / tsc_khz : 1, ops = record->sample_count,
	       counted = record->counted_ops;
	struct result r = {
		.placement_kind = record->placement,
		.targets = record->targets,
		.unit = b->counting ? "instructions" : "ns",
		.per_op = {
			.guest_ipis = (double)record->guest_ipis / ops,
			.hypercalls = (double)record->hypercalls / ops,
			.skipped = (double)record->skipped / ops,
			.waited_ns = (double)record->waited_ticks * ns / ops,
			.exits = (double)record->exits / counted,
			.kicks = (double)record->kicks / counted,
		},
	};
	double *ticks = calloc(count ? count : 1, sizeof(*ticks));

	if (!ticks) {
		b->error = -ENOMEM;
		return;
	}
	memcpy(r.suite, record->suite, sizeof(r.suite));
	memcpy(r.name, record->name, sizeof(r.name));
	memcpy(r.backend, record->backend, sizeof(r.backend));
	name_placement(&r, place);
	for (uint32_t i = 0; i < count; i++)
		ticks[i] = (double)samples[i].ticks;
	result_summarise(&r, ticks, count, b->counting ? 1 : ns);
	free(ticks);
	if (results_add(&b->results, &r))
		b->error = -ENOMEM;
}

/* RUN_PASSED, or the status that ends the whole benchmark, with its line printed. */
static int run_case(struct bench *b, enum hf_backend backend, unsigned targets)
{
	char append[96];
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

	if (lacking)
		return results_skip(&b->results, backend_name(backend), targets, lacking)
			       ? RUN_HOST_ERROR
			       : RUN_PASSED;
	snprintf(append, sizeof(append), "suite=bench-flush samples=%u", b->plan.samples);
	if (harness_init(&harness))
		return RUN_HOST_ERROR;
	harness.record = keep_record;
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
	unsigned done = 0,
		 total = (unsigned)__builtin_popcount(b->plan.backends) * b->plan.target_count;

	for (unsigned t = 0; t < b->plan.target_count; t++) {
		for (unsigned id = 0; id < HF_BACKEND_COUNT; id++) {
			if (!(b->plan.backends & (1u << id)))
				continue;
			fprintf(stderr, "bench %u/%u: %s, %u targets\n", ++done, total,
				backend_name(id), b->plan.targets[t]);
			int status = run_case(b, id, b->plan.targets[t]);

			if (status != RUN_PASSED)
				return status;
		}
	}
	return b->error ? RUN_HOST_ERROR : RUN_PASSED;
}

static int compare_rows(const void *x, const void *y)
{
	const struct result *a = x, *b = y;

	if (a->placement_kind != b->placement_kind)
		return a->placement_kind < b->placement_kind ? -1 : 1;
	if (a->targets != b->targets)
		return a->targets < b->targets ? -1 : 1;
	return backend_by_name(a->backend) - backend_by_name(b->backend);
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
	char json[PATH_MAX], plot[PATH_MAX];

	if (uname(&uts) || harness_init(&harness))
		return -errno;
	host.cpus = harness.placement.cpu_count;
	harness_destroy(&harness);
	snprintf(host.kernel, sizeof(host.kernel), "%s", uts.release);
	if (b->results.count)
		qsort(b->results.list, b->results.count, sizeof(*b->results.list), compare_rows);
	report_table(stdout, &b->results);
	if (mkdir(b->plan.out_dir, 0777) && errno != EEXIST)
		return -errno;
	snprintf(json, sizeof(json), "%s/flush.json", b->plan.out_dir);
	snprintf(plot, sizeof(plot), "%s/flush.gp", b->plan.out_dir);
	int err = report_json(json, &host, &b->results);

	return err ? err : report_plot(plot, "flush.svg", &host, &b->results);
}

int bench_main(int argc, char **argv)
{
	struct bench b = { 0 };
	const char *what, *mode = getenv("HF_TESTBED");
	int status = parse_plan(&b.plan, argc, argv);

	if (status >= 0)
		return status;
	b.counting = mode && !strcmp(mode, "icount");
	int err = kvm_open(&b.kvm, &what);

	if (err) {
		fprintf(stderr, "hyperflush bench: %s: %s\n", what, strerror(-err));
		kvm_close(&b.kvm);
		return RUN_HOST_ERROR;
	}
	status = run_all(&b);
	if (status == RUN_PASSED && (err = write_report(&b))) {
		fprintf(stderr, "hyperflush bench: cannot write the report: %s\n", strerror(-err));
		status = RUN_HOST_ERROR;
	}
	kvm_close(&b.kvm);
	results_free(&b.results);
	return status;
}
