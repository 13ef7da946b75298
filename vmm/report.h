/* SPDX-License-Identifier: BSD-2-Clause */
/* Benchmark results for people (table, plot) and programs (JSON). */
#ifndef HF_VMM_REPORT_H
#define HF_VMM_REPORT_H

#include <stdio.h>

#include "result.h"

/* Of the machine that measured. */
struct report_host {
	char kernel[80];    /* uname -r */
	const char *module; /* kvm_amd, kvm_intel */
	int nested_paging;  /* 0 or 1 */
	unsigned cpus;	    /* host CPUs used */
	const char *mode;   /* "host", or the test bench's: "threads", "icount" */
};

/* One row a case, in the order of the results; ratios of means are against results_base(). */
void report_table(FILE *out, const struct results *all);

/* The file of docs/benchmarks.md. 0 or -errno. */
int report_json(const char *path, const struct report_host *host, const struct results *all);

/*
 * A gnuplot script with its data inside; it writes `svg_name` into the
 * directory it is run in. 0 or -errno.
 */
int report_plot(const char *path, const char *svg_name, const struct report_host *host,
		const struct results *all);

#endif
