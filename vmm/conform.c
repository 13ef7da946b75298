/* SPDX-License-Identifier: BSD-2-Clause */
/* `hyperflush conform`: one guest an ABI runs its checks; the results become one report. */
#define _GNU_SOURCE
#include "conform.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "backend.h"
#include "caveat.h"
#include "findings.h"
#include "harness.h"
#include "kvm.h"
#include "ktap.h"
#include "machine.h"
#include "options.h"

#define GUEST_TIMEOUT_S 300u
#define FILTER_BYTES	512u		  /* what the guest reads of a list */
#define GENERATION	(UINT64_MAX - 15) /* so that counts of flushes wrap early */

/* 67 vCPUs: a bank of 64 and a bit of the next; where it matters, the last one never starts. */
static const struct abi {
	const char *name;
	enum hf_backend backend;
	unsigned vcpus, started;
} abis[] = {
	{ "hyperv", HF_BACKEND_HYPERV, 67, 67 }, { "hyperflush", HF_BACKEND_HYPERFLUSH, 67, 66 },
	{ "xen", HF_BACKEND_XEN, 4, 4 },	 { "kvm", HF_BACKEND_KVM, 4, 4 },
	{ "absent", HF_BACKEND_IPI, 4, 4 },
};

#define ABIS (sizeof(abis) / sizeof(abis[0]))

struct conform {
	const char *kernel, *only, *control;
	uint64_t generation;
	bool wanted[ABIS];
	bool list;
	struct kvm kvm;
	bool lossy; /* this KVM loses Hyper-V flushes (docs/limits.md) */
	struct findings findings;
};

static const char usage[] =
	"usage: hyperflush conform [OPTION]... KERNEL\n"
	"Checks what remote-flush interfaces do against their specifications.\n"
	"  --abi LIST    of hyperv, hyperflush, xen, kvm, absent (that what is not\n"
	"                advertised does not work), or all (default)\n"
	"  --only LIST   of checks, or of beginnings of their names up to a point\n"
	"  --list        print the names, run nothing\n"
	"  --tap         report in TAP\n"
	"  --json        report in JSON\n"
	"  --generation N  where vCPUs' counts of flushes begin (default: close to\n"
	"                wrapping)\n"
	"  --control C   negative control, checks must fail: no-call (calls are not made\n"
	"                and pass for successes) or flush (probes are flushed besides)\n"
	"The last line is N passed, N failed, N skipped; a deviation that is known of\n"
	"an implementation is none of them.\n"
	"Exit status: 0 none failed, 1 some did or none passed, else as for `hyperflush run`.\n";

static int bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "hyperflush conform: %s%s; see hyperflush conform --help\n", what, value);
	return RUN_BAD_INPUT;
}

static bool want_abi(void *ctx, const char *word)
{
	bool all = !strcmp(word, "all"), known = all;
	struct conform *c = ctx;

	for (size_t i = 0; i < ABIS; i++) {
		if (all || !strcmp(word, abis[i].name))
			c->wanted[i] = known = true;
	}
	return known;
}

/* -1: go on; else the exit status. */
static int parse(struct conform *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "abi", required_argument, NULL, 'a' },
		{ "only", required_argument, NULL, 'o' },
		{ "list", no_argument, NULL, 'l' },
		{ "tap", no_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "generation", required_argument, NULL, 'g' },
		{ "control", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int opt;

	memset(c->wanted, 1, sizeof(c->wanted));
	c->generation = GENERATION;
	while ((opt = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (opt) {
		case 'a':
			memset(c->wanted, 0, sizeof(c->wanted));
			if (!options_words(optarg, want_abi, c))
				return bad_usage("bad list of ABIs", "");
			break;
		case 'o':
			if (!*optarg || strlen(optarg) >= FILTER_BYTES || strpbrk(optarg, " \t\n"))
				return bad_usage("bad list of checks", "");
			c->only = optarg;
			break;
		case 'l':
			c->list = true;
			break;
		case 't':
			c->findings.form = FINDINGS_TAP;
			break;
		case 'j':
			c->findings.form = FINDINGS_JSON;
			break;
		case 'g':
			if (!options_u64(optarg, &c->generation))
				return bad_usage("bad generation ", optarg);
			break;
		case 'c':
			if (strcmp(optarg, "no-call") && strcmp(optarg, "flush"))
				return bad_usage("bad control ", optarg);
			c->control = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return RUN_PASSED;
		default:
			return bad_usage(opt == ':' ? "no value for " : "bad option ",
					 argv[optind - 1]);
		}
	}
	if (argc - optind != 1)
		return bad_usage("exactly one kernel file is needed", "");
	c->kernel = argv[optind];
	return -1;
}

/* Every result of a console; *told: what the guest itself has counted. False: no memory. */
static bool read_console(struct conform *c, const char *text, unsigned told[KTAP_OUTCOME_COUNT],
			 bool *has_totals)
{
	*has_totals = false;
	while (text && *text) {
		size_t len = strcspn(text, "\n");
		struct ktap_result r;

		if (ktap_parse(text, len, &r)) {
			if (!findings_add(&c->findings, &r))
				return false;
		} else if (ktap_parse_totals(text, len, told)) {
			*has_totals = true;
		}
		text += len + (text[len] == '\n');
	}
	return true;
}

static void show_names(const char *text)
{
	while (text && *text) {
		size_t len = strcspn(text, "\n");

		if (!strncmp(text, "check ", 6))
			printf("%.*s\n", (int)(len - 6), text + 6);
		text += len + (text[len] == '\n');
	}
}

/* A guest that ends early, or whose results got lost, has failed. False: no memory. */
static bool judge(struct conform *c, const struct abi *abi, const struct machine_result *result)
{
	unsigned before[KTAP_OUTCOME_COUNT], told[KTAP_OUTCOME_COUNT];
	bool has_totals;

	memcpy(before, c->findings.counts, sizeof(before));
	if (!read_console(c, result->console, told, &has_totals))
		return false;
	if (result->status != RUN_PASSED && result->status != RUN_FAILED) {
		fputs(result->console ? result->console : "", stderr);
		return findings_add_text(&c->findings, KTAP_FAILED, abi->name,
					 result->reason[0] ? result->reason : "the guest crashed");
	}
	for (unsigned i = 0; i < KTAP_OUTCOME_COUNT; i++)
		if (!has_totals || c->findings.counts[i] - before[i] != told[i])
			return findings_add_text(&c->findings, KTAP_FAILED, abi->name,
						 "the guest's totals are not what it has reported");
	return true;
}

static int run_guest(struct conform *c, const struct abi *abi)
{
	const char *lacking =
		backend_lacking(&c->kvm, backend_interfaces(abi->backend), abi->vcpus);
	struct machine_result result;
	struct harness harness;
	char append[FILTER_BYTES + 256];
	struct machine_options options = {
		.kernel = c->kernel,
		.append = append,
		.vcpus = abi->vcpus,
		.flush = abi->backend,
		.timeout_s = GUEST_TIMEOUT_S,
		.generation = c->generation,
		.console = CONSOLE_CAPTURE,
		.harness = &harness,
	};

	if (lacking && !c->list) {
		char text[192];

		snprintf(text, sizeof(text), "this host lacks %s", lacking);
		return findings_add_text(&c->findings, KTAP_SKIPPED, abi->name, text) ? 0 : -ENOMEM;
	}
	if (c->list)
		options.flush = HF_BACKEND_IPI;
	snprintf(append, sizeof(append), "suite=conform abi=%s cpus=%u npt=%d%s%s%s%s%s%s",
		 abi->name, abi->started, c->kvm.nested_paging, c->lossy ? " deviation" : "",
		 c->list ? " list" : "", c->only ? " only=" : "", c->only ? c->only : "",
		 c->control ? " control=" : "", c->control ? c->control : "");
	int err = harness_init(&harness);

	if (err)
		return err;
	machine_run(&options, &result);
	harness_destroy(&harness);
	if (c->list)
		show_names(result.console);
	else if (!judge(c, abi, &result))
		err = -ENOMEM;
	fflush(stdout);
	machine_result_free(&result);
	return err;
}

static int run_all(struct conform *c)
{
	struct utsname uts;
	const char *what = "a guest";
	int err = kvm_open(&c->kvm, &what);

	if (!err) {
		uname(&uts);
		c->lossy = caveat_warning(&c->kvm, caveat_version(&uts), 1u << HF_BACKEND_HYPERV);
		if (!c->list)
			findings_begin(&c->findings);
		for (size_t i = 0; i < ABIS && !err; i++)
			err = c->wanted[i] ? run_guest(c, &abis[i]) : 0;
		if (!err && !c->list)
			err = findings_end(
				&c->findings,
				&(struct findings_host){ .kernel = uts.release,
							 .kvm = kvm_vendor_module(c->kvm.vendor),
							 .nested_paging = c->kvm.nested_paging });
	}
	kvm_close(&c->kvm);
	if (err) {
		fprintf(stderr, "hyperflush conform: %s: %s\n", what, strerror(-err));
		return RUN_HOST_ERROR;
	}
	if (c->list)
		return RUN_PASSED;
	return c->findings.counts[KTAP_FAILED] || !c->findings.counts[KTAP_PASSED] ? RUN_FAILED
										   : RUN_PASSED;
}

int conform_main(int argc, char **argv)
{
	struct conform c = { .findings = { .to = stdout } };
	int status = parse(&c, argc, argv);

	if (status >= 0)
		return status;
	status = run_all(&c);
	findings_free(&c.findings);
	return status;
}
