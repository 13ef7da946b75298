/* SPDX-License-Identifier: BSD-2-Clause */
#include "plan.h"

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "machine.h"
#include "options.h"

struct plan_suite {
	const char *name;
	unsigned targets[PLAN_MAX_TARGET_COUNTS], quick_targets[PLAN_MAX_TARGET_COUNTS];
	/* By backend, the cases to run; NULL: the suite is not run with it unless it is asked for.
	 */
	const char *cases[HF_BACKEND_COUNT];
};

/* gup_fast() and exits that flush or make no call are measured once, where flushes are fastest. */
static const struct plan_suite suites[] = {
	{ "flush",
	  { 1, 3, 7, 15, 31, 63 },
	  { 3, 7 },
	  { [HF_BACKEND_IPI] = "",
	    [HF_BACKEND_KVM] = "",
	    [HF_BACKEND_HYPERV] = "",
	    [HF_BACKEND_XEN] = "",
	    [HF_BACKEND_HYPERFLUSH] = "",
	    [HF_BACKEND_LOWERED] = "",
	    [HF_BACKEND_ELIDED] = "" } },
	{ "mm",
	  { 3 },
	  { 3 },
	  { [HF_BACKEND_IPI] = "munmap,vmap,fence",
	    [HF_BACKEND_HYPERV] = "gup,exit,munmap,vmap,fence",
	    [HF_BACKEND_HYPERFLUSH] = "detach,munmap,posted,vmap,fence" } },
	{ "ring", { 3 }, { 3 }, { [HF_BACKEND_IPI] = "ipi", [HF_BACKEND_HYPERFLUSH] = "ring" } },
};

#define FULL_SAMPLES  200u
#define QUICK_SAMPLES 40u

static const char usage[] =
	"usage: hyperflush bench [OPTION]... KERNEL\n"
	"Measures what a cross-vCPU TLB flush costs with each backend, or what\n"
	"memory management without IPIs costs by scheme, or flushes through the ring.\n"
	"  --suite NAME      flush (default), mm or ring\n"
	"  --backends LIST   comma-separated; default: all that the suite is for\n"
	"  --targets LIST    flush: numbers of target vCPUs; default 1,3,7,15,31,63\n"
	"  --samples N       of a case; default 200\n"
	"  --quick           40 samples; flush: targets 3,7\n"
	"  --out DIR         where SUITE.json and SUITE.gp go; default .\n"
	"Exit status as for `hyperflush run`.\n";

static bool add_backend(void *ctx, const char *word)
{
	struct plan *plan = ctx;
	int id = backend_by_name(word);

	if (id < 0 || id >= HF_BACKEND_COUNT)
		return false;
	plan->backends |= 1u << id;
	return true;
}

static bool add_targets(void *ctx, const char *word)
{
	struct plan *plan = ctx;

	return plan->target_count < PLAN_MAX_TARGET_COUNTS &&
	       options_number(word, 1, MACHINE_MAX_VCPUS - 1, &plan->targets[plan->target_count++]);
}

static int bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "hyperflush bench: %s%s; see hyperflush bench --help\n", what, value);
	return RUN_BAD_INPUT;
}

static bool set_suite(struct plan *plan, const char *name)
{
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		if (!strcmp(suites[i].name, name)) {
			plan->suite = &suites[i];
			return true;
		}
	}
	return false;
}

/* What the command line leaves open. */
static void fill_in(struct plan *plan, bool quick)
{
	const struct plan_suite *s = plan->suite;

	if (!plan->samples)
		plan->samples = quick ? QUICK_SAMPLES : FULL_SAMPLES;
	if (!plan->target_count) {
		memcpy(plan->targets, quick ? s->quick_targets : s->targets, sizeof(s->targets));
		while (plan->targets[plan->target_count])
			plan->target_count++;
	}
	bool chosen = plan->backends;

	for (unsigned id = 0; id < HF_BACKEND_COUNT && !chosen; id++) {
		if (s->cases[id])
			plan->backends |= 1u << id;
	}
}

const char *plan_suite_name(const struct plan *plan)
{
	return plan->suite->name;
}

unsigned plan_guest_count(const struct plan *plan)
{
	return (unsigned)__builtin_popcount(plan->backends) * plan->target_count;
}

struct plan_guest plan_guest(const struct plan *plan, unsigned index)
{
	unsigned backends = (unsigned)__builtin_popcount(plan->backends);
	uint32_t left = plan->backends;

	for (unsigned i = 0; i < index % backends; i++)
		left &= left - 1;
	unsigned id = (unsigned)__builtin_ctz(left);
	const char *cases = plan->suite->cases[id];

	return (struct plan_guest){ .backend = id,
				    .targets = plan->targets[index / backends],
				    .cases = cases && *cases ? cases : NULL };
}

int plan_parse(struct plan *plan, int argc, char **argv)
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

	*plan = (struct plan){ .out_dir = ".", .suite = &suites[0] };
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (c) {
		case 's':
			if (!set_suite(plan, optarg))
				return bad_usage("no suite ", optarg);
			break;
		case 'b':
			if (!options_words(optarg, add_backend, plan))
				return bad_usage("bad list of backends", "");
			break;
		case 't':
			if (!options_words(optarg, add_targets, plan))
				return bad_usage("bad list of targets", "");
			break;
		case 'n':
			if (!options_number(optarg, 1, HARNESS_MAX_SAMPLES, &plan->samples))
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
			return bad_usage(c == ':' ? "no value for " : "bad option ",
					 argv[optind - 1]);
		}
	}
	if (argc - optind != 1)
		return bad_usage("exactly one kernel file is needed", "");
	plan->kernel = argv[optind];
	if (plan->target_count && plan->suite != &suites[0])
		return bad_usage("--targets is for suite flush", "");
	fill_in(plan, quick);
	return -1;
}
