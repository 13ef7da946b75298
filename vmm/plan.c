/* SPDX-License-Identifier: BSD-2-Clause */
#include "plan.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "machine.h"

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
	return plan->target_count < PLAN_MAX_TARGET_COUNTS &&
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
