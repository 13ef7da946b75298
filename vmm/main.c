/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "backend.h"
#include "bench.h"
#include "caveat.h"
#include "conform.h"
#include "doctor.h"
#include "exit.h"
#include "harness.h"
#include "machine.h"
#include "options.h"
#include "shared/hyperflush_abi.h"

#define TOOL_VERSION "0.1"

static void print_watched(const struct observer_result *r)
{
#define PRINT_WATCHED(name, what) \
	fprintf(stderr, "watch %-16s %llu\n", #name, (unsigned long long)r->totals.name);
	WATCH_COUNTERS(PRINT_WATCHED)
#undef PRINT_WATCHED
	for (unsigned k = 0; k < WATCH_KINDS; k++) {
		const struct histogram_view *v = &r->latency[k];

		if (v->count)
			fprintf(stderr,
				"ns %-19s count %llu mean %llu p50 %llu p99 %llu max %llu\n",
				watch_kind_name((enum watch_kind)k), (unsigned long long)v->count,
				(unsigned long long)(v->sum / v->count),
				(unsigned long long)histogram_quantile(v, 500),
				(unsigned long long)histogram_quantile(v, 990),
				(unsigned long long)v->max);
	}
}

/* What the trace does not have. */
static void warn_of_trace(const struct machine_options *o, const struct observer_result *r)
{
	if (r->limited)
		options_complain("warning: %s: ends at its limit of %u MiB", o->observer.trace,
				 o->observer.trace_mib);
	if (r->lost)
		options_complain("warning: %s: %llu events were lost", o->observer.trace,
				 (unsigned long long)r->lost);
	if (r->switches)
		options_complain("warning: %s: no times off the CPU: perf_event_open: %s",
				 o->observer.trace, r->switches);
}

static void print_stats(const struct machine_result *r)
{
#define PRINT_KVM(name) \
	fprintf(stderr, "kvm %-18s %llu\n", #name, (unsigned long long)r->stats.name);
	STATS_SUMMED(PRINT_KVM)
#undef PRINT_KVM
	fprintf(stderr, "vmm %-18s %llu\n", "kicks", (unsigned long long)r->stats.kicks);
	fprintf(stderr, "vmm %-18s %llu\n", "service_flushes",
		(unsigned long long)r->stats.service_flushes);
#define PRINT_VMM(name, what) \
	fprintf(stderr, "vmm %-18s %llu\n", #name, (unsigned long long)r->totals.name);
	VCPU_COUNTERS(PRINT_VMM)
#undef PRINT_VMM
#define PRINT_RING(name, what) \
	fprintf(stderr, "vmm %-18s %llu\n", #name, (unsigned long long)r->ring_totals.name);
	RING_COUNTERS(PRINT_RING)
#undef PRINT_RING
	print_watched(&r->observer);
	for (unsigned e = 0; e < VCPU_EXIT_REASONS; e++)
		if (r->totals.exits[e])
			fprintf(stderr, "exit %-17s %llu\n", exit_name(e),
				(unsigned long long)r->totals.exits[e]);
}

static void warn(unsigned flush)
{
	struct kvm k = { .vendor = kvm_vendor() };
	struct utsname uts;

	if (flush == FLUSH_AUTO)
		return;
	k.nested_paging = kvm_nested_paging(k.vendor);
	uname(&uts);
	const char *text = caveat_warning(&k, caveat_version(&uts), 1u << flush);
	if (text)
		options_complain("warning: %s: %s", backend_name(flush), text);
}

static int run_main(int argc, char **argv)
{
	struct run_options options;
	struct machine_result result;
	struct harness harness;

	if (!options_parse_run(argc, argv, &options))
		return RUN_BAD_INPUT;
	if (options.help) {
		options_help(stdout);
		return RUN_PASSED;
	}
	int r = harness_init(&harness);
	if (r) {
		options_complain("sched_getaffinity: %s", strerror(-r));
		return RUN_HOST_ERROR;
	}
	options.machine.harness = &harness;
	warn(options.machine.flush);
	machine_run(&options.machine, &result);
	harness_destroy(&harness);
	if (result.reason[0])
		options_complain("%s", result.reason);
	warn_of_trace(&options.machine, &result.observer);
	if (options.machine.observer.stats == STATS_TEXT)
		print_stats(&result);
	machine_result_free(&result);
	return result.status;
}

static int version(void)
{
	printf("hyperflush %s, ABI %u\n", TOOL_VERSION, HF_VERSION);
	return RUN_PASSED;
}

/* Or else /dev/kvm could become descriptor 1, and the guest's console be written to it. */
static bool open_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && !close(fd);
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (!open_standard_files())
		return RUN_HOST_ERROR;
	signal(SIGPIPE, SIG_IGN); /* a closed stdout is an error of write() */
	if (!strcmp(command, "run"))
		return run_main(argc - 1, argv + 1);
	if (!strcmp(command, "bench"))
		return bench_main(argc - 1, argv + 1);
	if (!strcmp(command, "conform"))
		return conform_main(argc - 1, argv + 1);
	if (!strcmp(command, "doctor") && argc == 2)
		return doctor_main();
	if (!strcmp(command, "--version") && argc == 2)
		return version();
	if (!strcmp(command, "--help")) {
		options_help(stdout);
		return RUN_PASSED;
	}
	options_complain(argc > 1 ? "%s: no such command, or it takes no arguments; see --help"
				  : "no command%s; see --help",
			 command);
	return RUN_BAD_INPUT;
}
