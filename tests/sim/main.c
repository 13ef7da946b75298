/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: sim [--list] [--scenario NAME[,NAME...]] [--schedules N] [--seed N] [--exhaustive]
 *            [--flush NAME] [--pcids N] [--seconds N] [--trace]
 * Runs each scenario for N schedules, from a seed on. A violation prints its seed and a
 * timeline; --seed with that number and --schedules 1 repeats it. Last line: "N passed, N failed, N
 * skipped", a scenario being one test.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guest/mm/exit.h"
#include "guest/mm/held.h"
#include "guest/mm/walk.h"
#include "tests/sim/frames.h"
#include "tests/sim/ring.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

static const struct sim_scenario *const groups[] = {
	litmus_scenarios, gup_scenarios,  unmap_scenarios,  fork_scenarios, huge_scenarios,
	exit_scenarios,	  walk_scenarios, switch_scenarios, pcid_scenarios, vmap_scenarios,
	lock_scenarios,	  page_scenarios, edge_scenarios,   held_scenarios, storm_scenarios,
};

#define ANY UINT64_MAX

static struct {
	u64 schedules, seed;
	double seconds; /* for each scenario; 0: no limit */
	const char *names, *flush;
	u64 pcids; /* of each CPU; ANY: as scenario and seed have it */
	bool list, exhaustive, trace;
} options = { .schedules = 20000, .seed = 1, .pcids = ANY };

/* The run at hand: setup and finish get no argument. */
static struct {
	const struct sim_scenario *scenario;
	const char *flush;
	unsigned pcids;
	u64 steps;  /* of a schedule, about */
	u64 frames; /* in use after boot */
	struct sim_result result;
} run;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The n-th word of the list, counted round. */
static void pick_word(const char *list, u64 n, char *out, size_t size)
{
	unsigned words = 1;

	for (const char *p = list; *p; p++)
		words += *p == ' ';
	for (n %= words; n; n--)
		list = strchr(list, ' ') + 1;
	snprintf(out, size, "%.*s", (int)strcspn(list, " "), list);
}

static void set_up(void)
{
	scene_begin();
	machine_boot(run.flush);
	run.frames = frames_used();
	run.scenario->setup();
	threads_begin();
}

/* All address spaces are gone, or end here. */
static void wind_up(void)
{
	for (unsigned i = 0; i < sim.cpus; i++)
		memory_drain(&sim.cpu[i]);
	if (run.scenario->check)
		run.scenario->check();
	scene_end();
	exit_reap();
	walk_quiesce();
	ring_finish();
	held_drain();
	ring_close();
	frames_census(run.frames);
}

static void run_schedule(struct sim_budget budget)
{
	run.result = (struct sim_result){ 0 };
	bool logging = sim.logging;

	machine_reset(run.scenario->cpus, run.pcids);
	sim.logging = false; /* of a setup nobody wants to read */
	schedule_guard(set_up, &run.result);
	sim.logging = logging;
	if (!run.result.failed)
		schedule_run(budget, &run.result);
	if (!run.result.failed) {
		sim.self = 0;
		schedule_guard(wind_up, &run.result);
	}
}

static unsigned pcids_for(unsigned otherwise)
{
	if (options.pcids != ANY)
		return (unsigned)MIN(options.pcids, SIM_PCIDS);
	return run.scenario->pcids ? run.scenario->pcids : otherwise;
}

static void run_seed(u64 seed)
{
	static char flush[16];
	u64 h = seed * 0x9e3779b97f4a7c15u >> 40;
	struct sim_budget budget = { (unsigned)(h % 3), (unsigned)(h / 3 % 3),
				     (unsigned)(h / 9 % 4) };
	const char *list = run.scenario->flush ? run.scenario->flush : "ipi kvm hyperv hyperflush";

	if (run.scenario->calm)
		budget = (struct sim_budget){ 0 };
	if (options.flush)
		list = options.flush;
	pick_word(list, seed, flush, sizeof(flush));
	run.flush = flush;
	run.pcids = pcids_for(h / 36 % 4 ? 0 : SIM_PCIDS);
	schedule_seeded(seed, run.steps);
	run_schedule(budget);
}

static void show(const char *which)
{
	printf("  %s: %s\n", which, run.result.text);
	if (run.flush)
		printf("  flush backend %s, %u PCIDs\n", run.flush, run.pcids);
	timeline_print();
}

/* True: as it should be. */
static bool judge(u64 schedules, u64 steps, double seconds)
{
	const struct sim_scenario *s = run.scenario;
	bool expected = s->fails && run.result.failed &&
			!strncmp(run.result.text, s->fails, strlen(s->fails));
	bool good = s->fails ? expected : !run.result.failed;

	printf("[%s] %-22s %8lu schedules %10lu steps", good ? "  OK  " : "FAILED", s->name,
	       schedules, steps);
	if (seconds > 0)
		printf(" %9.0f schedules/min", (double)schedules / seconds * 60);
	if (expected)
		printf("  found: %s", run.result.text);
	printf("\n");
	if (!good && !run.result.failed)
		printf("  not found: %s\n", s->fails);
	return good;
}

static bool run_seeded(void)
{
	u64 steps = 0, done = 0, seed = options.seed;
	double start = now();
	bool good;

	run.steps = 100;
	run_seed(0);
	run.steps = run.result.failed ? 100 : MAX(run.result.steps, 10);
	for (; done < options.schedules; seed++) {
		sim.logging = options.trace;
		run_seed(seed);
		steps += run.result.steps;
		done++;
		if (run.result.failed)
			break;
		if (options.seconds > 0 && done % 64 == 0 && now() - start > options.seconds)
			break;
	}
	good = judge(done, steps, now() - start);
	if ((run.result.failed && !good) || options.trace) {
		char which[32];

		sim.logging = true;
		run_seed(options.trace ? seed - !run.result.failed : seed);
		sim.logging = false;
		snprintf(which, sizeof(which), "--seed %lu", seed);
		show(which);
	}
	return good;
}

static bool run_exhaustive(void)
{
	u64 steps = 0, done = 0;
	double start = now();
	struct sim_budget budget = { .deschedules = !run.scenario->quiet };
	const char *list = options.flush	 ? options.flush
			   : run.scenario->flush ? run.scenario->flush
						 : "ipi kvm hyperv hyperflush";
	char flush[16];
	unsigned words = 1;
	bool good;

	for (const char *p = list; *p; p++)
		words += *p == ' ';
	run.flush = flush;
	run.pcids = pcids_for(0);
	for (unsigned i = 0; i < words && !run.result.failed; i++) {
		pick_word(list, i, flush, sizeof(flush));
		for (bool more = schedule_search(true, run.scenario->search); more;) {
			run_schedule(budget);
			steps += run.result.steps;
			done++;
			if (run.result.failed)
				break;
			more = schedule_search(false, run.scenario->search);
		}
	}
	good = judge(done, steps, now() - start);
	if (run.result.failed && !good) {
		schedule_search_again(run.scenario->search);
		sim.logging = true;
		run_schedule(budget);
		sim.logging = false;
		show("search");
	}
	return good;
}

static bool chosen(const char *name)
{
	const char *p = options.names;
	size_t n = strlen(name);

	if (!p)
		return true;
	while (p) {
		if (!strncmp(p, name, n) && (p[n] == '\0' || p[n] == ','))
			return true;
		p = strchr(p, ',');
		p += !!p;
	}
	return false;
}

static u64 number(const char *text)
{
	char *end;
	u64 n = strtoull(text, &end, 0);

	if (!*text || *end) {
		fprintf(stderr, "sim: %s is no number\n", text);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "list", no_argument, NULL, 'l' },
		{ "scenario", required_argument, NULL, 's' },
		{ "schedules", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 't' },
		{ "flush", required_argument, NULL, 'f' },
		{ "pcids", required_argument, NULL, 'p' },
		{ "exhaustive", no_argument, NULL, 'x' },
		{ "trace", no_argument, NULL, 'v' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'l':
			options.list = true;
			break;
		case 's':
			options.names = optarg;
			break;
		case 'n':
			options.schedules = number(optarg);
			break;
		case 'r':
			options.seed = number(optarg);
			break;
		case 't':
			options.seconds = (double)number(optarg);
			break;
		case 'f':
			options.flush = optarg;
			break;
		case 'p':
			options.pcids = number(optarg);
			break;
		case 'x':
			options.exhaustive = true;
			break;
		case 'v':
			options.trace = true;
			break;
		default:
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0, skipped = 0;

	parse(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		for (run.scenario = groups[g]; run.scenario->name; run.scenario++) {
			bool good;

			if (!chosen(run.scenario->name))
				continue;
			if (options.list) {
				printf("%-22s %s%s\n", run.scenario->name, run.scenario->what,
				       run.scenario->fails ? " (control: must fail)" : "");
				continue;
			}
			if (options.exhaustive && !run.scenario->search)
				continue;
			run.result.failed = false;
			good = options.exhaustive ? run_exhaustive() : run_seeded();
			passed += good;
			failed += !good;
		}
	}
	if (options.list)
		return 0;
	if (passed + failed == 0) {
		fprintf(stderr, "sim: no such scenario\n");
		return 2;
	}
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed != 0;
}
