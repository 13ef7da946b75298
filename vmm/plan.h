/* SPDX-License-Identifier: BSD-2-Clause */
/* What `hyperflush bench` is to measure: its command line. */
#ifndef HF_VMM_PLAN_H
#define HF_VMM_PLAN_H

#include <stdint.h>

#define PLAN_MAX_TARGET_COUNTS 16u

/* One guest: what runs in it, beside what the plan says. */
struct plan_guest {
	unsigned backend;  /* enum hf_backend */
	unsigned targets;  /* vCPUs besides the first */
	const char *cases; /* of the suite; NULL: all */
};

struct plan_suite; /* plan.c */

struct plan {
	const struct plan_suite *suite;
	const char *kernel, *out_dir;
	unsigned samples; /* a case, 1 to HARNESS_MAX_SAMPLES */
	unsigned targets[PLAN_MAX_TARGET_COUNTS];
	unsigned target_count;
	uint32_t backends; /* 1u << enum hf_backend */
};

/*
 * Parses argv[1] to argv[argc-1]. Strings stay in argv. -1: go on; else the
 * exit status, after one line on stderr or the usage on stdout.
 */
int plan_parse(struct plan *plan, int argc, char **argv);

/* "flush", "mm" or "ring": also the name of the files; the guest's suite is bench-NAME. */
const char *plan_suite_name(const struct plan *plan);

unsigned plan_guest_count(const struct plan *plan);
struct plan_guest plan_guest(const struct plan *plan,
			     unsigned index); /* below plan_guest_count() */

#endif
