/* SPDX-License-Identifier: BSD-2-Clause */
/* What `hyperflush bench` is to measure: its command line. */
#ifndef HF_VMM_PLAN_H
#define HF_VMM_PLAN_H

#include <stdint.h>

#define PLAN_MAX_TARGET_COUNTS 16u

struct plan {
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

#endif
