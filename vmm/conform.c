/* SPDX-License-Identifier: BSD-2-Clause */
/* `hyperflush conform`: one guest an ABI runs its checks; the results become one report. */
#define _GNU_SOURCE
#include "conform.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "backend.h"
#include "caveat.h"
#include "harness.h"
#include "kvm.h"
#include "ktap.h"
#include "machine.h"

#define GUEST_TIMEOUT_S 300u
#define FILTER_BYTES	128u /* what the guest reads of a list */

/* 67 vCPUs: a bank of 64 and a bit of the next. */
static const struct abi {
	const char *name;
	enum hf_backend backend;
	unsigned vcpus;
} abis[] = {
	{ "hyperv", HF_BACKEND_HYPERV, 67 }, { "hyperflush", HF_BACKEND_HYPERFLUSH, 67 },
	{ "xen", HF_BACKEND_XEN, 4 },	     { "kvm", HF_BACKEND_KVM, 4 },
	{ "absent", HF_BACKEND_IPI, 4 },
};

#define ABIS (sizeof(abis) / sizeof(abis[0]))

enum form { FORM_TABLE, FORM_TAP, FORM_JSON };

struct row {
	enum ktap_outcome outcome;
	char *name, *text;
};

struct conform {
	const char *kernel, *only;
	bool wanted[ABIS];
	bool list;
	enum form form;
	struct kvm kvm;
	bool lossy; /* this KVM loses Hyper-V flushes (docs/limits.md) */
	struct row *rows;
	unsigned count, counts[KTAP_OUTCOME_COUNT];
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
	"The last line is N passed, N failed, N skipped; a deviation that is known of\n"
	"an implementation is none of them.\n"
	"Exit status: 0 none failed, 1 some did or none passed, else as for `hyperflush run`.\n";

static int bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "hyperflush conform: %s%s; see hyperflush conform --help\n", what, value);
	return RUN_BAD_INPUT;
}

static bool want_abis(struct conform *c, char *list)
{
	char *save = NULL;

	memset(c->wanted, 0, sizeof(c->wanted));
	for (char *word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		bool all = !strcmp(word, "all"), known = all;

		for (size_t i = 0; i < ABIS; i++) {
			if (all || !strcmp(word, abis[i].name))
				c->wanted[i] = known = true;
		}
		if (!known)
			return false;
	}
	return true;
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
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int opt;

	memset(c->wanted, 1, sizeof(c->wanted));
	while ((opt = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (opt) {
		case 'a':
			if (!want_abis(c, optarg))
				return bad_usage("bad list of ABIs", "");
			break;
		case 'o':
			if (strlen(optarg) >= FILTER_BYTES || strpbrk(optarg, " \t\n"))
				return bad_usage("bad list of checks", "");
			c->only = optarg;
			break;
		case 'l':
			c->list = true;
			break;
		case 't':
			c->form = FORM_TAP;
			break;
		case 'j':
			c->form = FORM_JSON;
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
	c->kernel = argv[optind];
	return -1;
}

/* Keeps a result, and shows it if the report is not JSON. False: no memory. */
static bool keep(struct conform *c, enum ktap_outcome outcome, const char *name, int name_len,
		 const char *text, int text_len)
{
	struct row *rows = realloc(c->rows, (c->count + 1) * sizeof(*rows));

	if (!rows)
		return false;
	c->rows = rows;

	struct row *r = &rows[c->count];

	*r = (struct row){ outcome, strndup(name, (size_t)name_len),
			   strndup(text, (size_t)text_len) };
	if (!r->name || !r->text) {
		free(r->name);
		free(r->text);
		return false;
	}
	c->count++;
	c->counts[outcome]++;
	if (c->form == FORM_TABLE)
		printf("%-8s  %-40s %s\n", ktap_outcome_name(outcome), r->name, r->text);
	else if (c->form == FORM_TAP)
		printf("%s %u - %s%s%s\n",
		       outcome == KTAP_FAILED || outcome == KTAP_DEVIATES ? "not ok" : "ok",
		       c->count, r->name,
		       outcome == KTAP_SKIPPED	  ? " # SKIP "
		       : outcome == KTAP_DEVIATES ? " # TODO "
						  : ": ",
		       r->text);
	return true;
}

static bool keep_text(struct conform *c, enum ktap_outcome outcome, const char *name,
		      const char *text)
{
	return keep(c, outcome, name, (int)strlen(name), text, (int)strlen(text));
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
			if (!keep(c, r.outcome, r.name, r.name_len, r.text, r.text_len))
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

	memcpy(before, c->counts, sizeof(before));
	if (!read_console(c, result->console, told, &has_totals))
		return false;
	if (result->status != RUN_PASSED && result->status != RUN_FAILED) {
		fputs(result->console ? result->console : "", stderr);
		return keep_text(c, KTAP_FAILED, abi->name,
				 result->reason[0] ? result->reason : "the guest crashed");
	}
	for (unsigned i = 0; i < KTAP_OUTCOME_COUNT; i++)
		if (!has_totals || c->counts[i] - before[i] != told[i])
			return keep_text(c, KTAP_FAILED, abi->name,
					 "the guest's totals are not what it has reported");
	return true;
}

static int run_guest(struct conform *c, const struct abi *abi)
{
	const char *lacking =
		backend_lacking(&c->kvm, backend_interfaces(abi->backend), abi->vcpus);
	struct machine_result result;
	struct harness harness;
	char append[512];
	struct machine_options options = {
		.kernel = c->kernel,
		.append = append,
		.vcpus = abi->vcpus,
		.flush = abi->backend,
		.timeout_s = GUEST_TIMEOUT_S,
		.console = CONSOLE_CAPTURE,
		.harness = &harness,
	};

	if (lacking && !c->list) {
		char text[192];

		snprintf(text, sizeof(text), "this host lacks %s", lacking);
		return keep_text(c, KTAP_SKIPPED, abi->name, text) ? 0 : -ENOMEM;
	}
	if (c->list)
		options.flush = HF_BACKEND_IPI;
	snprintf(append, sizeof(append), "suite=conform abi=%s npt=%d%s%s%s%s", abi->name,
		 c->kvm.nested_paging, c->lossy ? " deviation" : "", c->list ? " list" : "",
		 c->only ? " only=" : "", c->only ? c->only : "");
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

static int write_json(const struct conform *c)
{
	struct utsname uts;
	json_t *rows = json_array();

	uname(&uts);
	for (unsigned i = 0; i < c->count; i++)
		json_array_append_new(rows,
				      json_pack("{s:s, s:s, s:s}", "check", c->rows[i].name,
						"outcome", ktap_outcome_name(c->rows[i].outcome),
						"text", c->rows[i].text));
	json_t *root = json_pack(
		"{s:i, s:{s:s, s:s, s:b}, s:i, s:i, s:i, s:i, s:o}", "schema", 1, "host", "kernel",
		uts.release, "kvm", kvm_vendor_module(c->kvm.vendor), "nested_paging",
		c->kvm.nested_paging, "passed", (int)c->counts[KTAP_PASSED], "failed",
		(int)c->counts[KTAP_FAILED], "skipped", (int)c->counts[KTAP_SKIPPED], "deviates",
		(int)c->counts[KTAP_DEVIATES], "results", rows);
	int err = !root ? -ENOMEM : json_dumpf(root, stdout, JSON_INDENT(1)) ? -EIO : 0;

	putchar('\n');
	json_decref(root);
	return err;
}

static int finish(struct conform *c)
{
	if (c->list)
		return 0;
	if (c->form == FORM_JSON)
		return write_json(c);
	if (c->form == FORM_TAP)
		printf("1..%u\n# ", c->count);
	printf("%u deviations\n", c->counts[KTAP_DEVIATES]);
	printf("%s%u passed, %u failed, %u skipped\n", c->form == FORM_TAP ? "# " : "",
	       c->counts[KTAP_PASSED], c->counts[KTAP_FAILED], c->counts[KTAP_SKIPPED]);
	return 0;
}

static void free_rows(struct conform *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		free(c->rows[i].name);
		free(c->rows[i].text);
	}
	free(c->rows);
}

static int run_all(struct conform *c)
{
	struct utsname uts;
	const char *what = "a guest";
	int err = kvm_open(&c->kvm, &what);

	if (!err) {
		uname(&uts);
		c->lossy = caveat_warning(&c->kvm, caveat_version(&uts), 1u << HF_BACKEND_HYPERV);
		if (c->form == FORM_TAP)
			puts("TAP version 14");
		for (size_t i = 0; i < ABIS && !err; i++)
			err = c->wanted[i] ? run_guest(c, &abis[i]) : 0;
		if (!err)
			err = finish(c);
	}
	kvm_close(&c->kvm);
	if (err) {
		fprintf(stderr, "hyperflush conform: %s: %s\n", what, strerror(-err));
		return RUN_HOST_ERROR;
	}
	if (c->list)
		return RUN_PASSED;
	return c->counts[KTAP_FAILED] || !c->counts[KTAP_PASSED] ? RUN_FAILED : RUN_PASSED;
}

int conform_main(int argc, char **argv)
{
	struct conform c = { 0 };
	int status = parse(&c, argc, argv);

	if (status >= 0)
		return status;
	status = run_all(&c);
	free_rows(&c);
	return status;
}
