/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"

#define MEM_MIN_MIB   2u
#define MEM_MAX_MIB   (1u << 20)
#define TIMEOUT_MAX_S 86400u
#define PERIOD_MAX_S  3600u
#define TRACE_MAX_MIB (1u << 16)

void options_complain(const char *format, ...)
{
	char line[REASON_BYTES + 64];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(stderr, "hyperflush: %s\n", line);
}

bool options_number(const char *text, unsigned min, unsigned max, unsigned *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (*end || errno || n < min || n > max)
		return false;
	*out = (unsigned)n;
	return true;
}

bool options_u64(const char *text, uint64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !*end && !errno;
}

bool options_words(char *text, bool (*add)(void *ctx, const char *word), void *ctx)
{
	char *save = NULL, *word = strtok_r(text, ",", &save);

	if (!word)
		return false;
	for (; word; word = strtok_r(NULL, ",", &save))
		if (!add(ctx, word))
			return false;
	return true;
}

/* "4" or "2-4" at *text; leaves *text behind it. */
static bool parse_range(const char **text, unsigned long *first, unsigned long *last)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	*first = *last = strtoul(*text, &end, 10);
	if (*end == '-') {
		if (end[1] < '0' || end[1] > '9')
			return false;
		*last = strtoul(end + 1, &end, 10);
	}
	*text = end;
	return *first <= *last && *last < CPU_SETSIZE;
}

bool options_list(const char *text, unsigned *list, unsigned max, unsigned *count)
{
	unsigned long first, last;

	*count = 0;
	for (;;) {
		if (!parse_range(&text, &first, &last))
			return false;
		for (; first <= last; first++) {
			if (*count == max)
				return false;
			list[(*count)++] = (unsigned)first;
		}
		if (!*text)
			return true;
		if (*text++ != ',')
			return false;
	}
}

void options_help(FILE *to)
{
	fputs("usage: hyperflush run [OPTION…] KERNEL   run a PVH kernel under KVM\n"
	      "       hyperflush doctor                 what this host's KVM offers\n"
	      "       hyperflush bench [OPTION…]        measure flushes (see bench --help)\n"
	      "       hyperflush conform [OPTION…]      check flush interfaces (see conform "
	      "--help)\n"
	      "       hyperflush --help | --version\n"
	      "\n"
	      "Options of run:\n"
	      "  --cpus N       vCPUs, 1 to 512 (default 1)\n"
	      "  --mem MIB      guest RAM (default 256 plus 1 a vCPU)\n"
	      "  --flush B      how vCPUs flush each other's TLBs (default auto):\n",
	      to);
	for (unsigned i = 0; i <= HF_BACKEND_COUNT; i++)
		fprintf(to, "                   %-11s %s\n", backend_name(i), backend_what(i));
	fputs("  --append STR   kernel command line\n"
	      "  --pin LIST     host CPUs for vCPU 0, 1, …, as in 0,2-3; cyclic\n"
	      "  --generation N where vCPUs' counts of flushes begin (default 0); they wrap\n"
	      "  --stats        print counters and latencies on stderr at the end\n"
	      "  --stats=json[:S]  the same as a line of JSON, and one every S seconds\n"
	      "  --trace FILE   write what the vCPUs do, for Perfetto or chrome://tracing\n"
	      "  --trace-limit MIB  end the trace at that size (default 64)\n"
	      "  --timeout S    give up after S seconds\n"
	      "\n"
	      "Exit status: 0 the guest passed, 1 it failed or ended without a verdict,\n"
	      "2 usage or bad kernel file, 3 the host lacks something or failed, 4 the guest\n"
	      "crashed, 5 timeout, 128 + N ended by signal N.\n",
	      to);
}

enum option_id {
	OPT_CPUS = 1,
	OPT_MEM,
	OPT_FLUSH,
	OPT_APPEND,
	OPT_PIN,
	OPT_STATS,
	OPT_TRACE,
	OPT_TRACE_LIMIT,
	OPT_GENERATION,
	OPT_TIMEOUT,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "flush", required_argument, NULL, OPT_FLUSH },
	{ "append", required_argument, NULL, OPT_APPEND },
	{ "pin", required_argument, NULL, OPT_PIN },
	{ "stats", optional_argument, NULL, OPT_STATS },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "trace-limit", required_argument, NULL, OPT_TRACE_LIMIT },
	{ "generation", required_argument, NULL, OPT_GENERATION },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

/* Of --stats: nothing, "json" or "json:SECONDS". */
static bool parse_stats(const char *arg, struct observer_options *o)
{
	o->stats = arg ? STATS_JSON : STATS_TEXT;
	o->stats_period_s = 0;
	if (!arg || !strcmp(arg, "json"))
		return true;
	return !strncmp(arg, "json:", 5) &&
	       options_number(arg + 5, 1, PERIOD_MAX_S, &o->stats_period_s);
}

/* False if the option's argument is not valid. */
static bool take(struct run_options *o, enum option_id id, const char *arg)
{
	struct machine_options *m = &o->machine;
	int backend;

	switch (id) {
	case OPT_CPUS:
		return options_number(arg, 1, MACHINE_MAX_VCPUS, &m->vcpus);
	case OPT_MEM:
		return options_number(arg, MEM_MIN_MIB, MEM_MAX_MIB, &m->mem_mib);
	case OPT_FLUSH:
		backend = backend_by_name(arg);
		m->flush = (unsigned)backend;
		return backend >= 0;
	case OPT_APPEND:
		m->append = arg;
		return true;
	case OPT_PIN:
		return options_list(arg, o->pin, MACHINE_MAX_VCPUS, &m->pin_count);
	case OPT_STATS:
		return parse_stats(arg, &m->observer);
	case OPT_TRACE:
		m->observer.trace = arg;
		return true;
	case OPT_TRACE_LIMIT:
		return options_number(arg, 1, TRACE_MAX_MIB, &m->observer.trace_mib);
	case OPT_GENERATION:
		return options_u64(arg, &m->generation);
	case OPT_TIMEOUT:
		return options_number(arg, 1, TIMEOUT_MAX_S, &m->timeout_s);
	case OPT_HELP:
		o->help = true;
		return true;
	}
	return false;
}

bool options_parse_run(int argc, char **argv, struct run_options *o)
{
	int c, index = 0;

	*o = (struct run_options){
		.machine = { .vcpus = 1,
			     .flush = FLUSH_AUTO,
			     .pin = o->pin,
			     .observer.trace_mib = OBSERVER_TRACE_MIB },
	};
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", long_options, &index)) != -1) {
		if (c == '?' || c == ':') {
			options_complain("%s %s; see --help", argv[optind - 1],
					 c == '?' ? "is not an option of run"
						  : "needs an argument");
			return false;
		}
		if (!take(o, (enum option_id)c, optarg)) {
			options_complain("--%s %s: not valid; see --help", long_options[index].name,
					 optarg);
			return false;
		}
		if (o->help)
			return true;
	}
	if (argc - optind != 1) {
		options_complain("run takes one kernel; see --help");
		return false;
	}
	o->machine.kernel = argv[optind];
	return true;
}
