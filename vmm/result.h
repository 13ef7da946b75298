/* SPDX-License-Identifier: BSD-2-Clause */
/* Benchmark results: order statistics of one case, and the list of cases. */
#ifndef HF_VMM_RESULT_H
#define HF_VMM_RESULT_H

#include <stddef.h>
#include <stdint.h>

#include "shared/harness.h"

/* X(name): per flush; the keys of "per_op" in the JSON file. */
#define RESULT_PER_OP(X) X(guest_ipis) X(hypercalls) X(exits) X(kicks) X(skipped) X(waited_ns)

struct result {
	char suite[16], name[32], backend[16], placement[16];
	uint32_t placement_kind; /* enum harness_placement */
	uint32_t targets;
	const char *unit; /* "ns" or "instructions" */
	uint32_t n;
	double min, mean, median, p90, p99, max; /* NAN if n is 0 */
	struct {
#define RESULT_FIELD(name) double name;
		RESULT_PER_OP(RESULT_FIELD)
#undef RESULT_FIELD
	} per_op;
};

/* A case that was not run. */
struct result_skip {
	char backend[16];
	uint32_t targets;
	char reason[192];
};

/* Rows, and as many skips, that one guest may cause. Its suites make one a placement. */
#define RESULTS_A_GUEST 64u

struct results {
	struct result *list;
	size_t count, limit;
	struct result_skip *skips;
	size_t skip_count, skip_limit;
};

/*
 * Fills min to max from samples, which it sorts; percentiles by nearest rank.
 * `scale` turns a sample into the unit.
 */
void result_summarise(struct result *r, double *samples, uint32_t n, double scale);

/*
 * Fills guest_ipis, hypercalls, skipped and waited_ns with means over the
 * samples, NAN if n is 0. `ns` is the length of a tick.
 */
void result_count(struct result *r, const struct harness_sample *samples, uint32_t n, double ns);

/* Before each guest: from now on it has RESULTS_A_GUEST of each. */
void results_begin(struct results *all);

/* Append a copy. 0, -ENOSPC when the guest has had all, or -ENOMEM; then nothing has changed. */
int results_add(struct results *all, const struct result *r);
int results_skip(struct results *all, const char *backend, uint32_t targets, const char *reason);

void results_free(struct results *all);

/* The case of that name and backend with the same targets and kind of placement, or NULL. */
const struct result *results_find(const struct results *all, const char *name, const char *backend,
				  const struct result *like);

/*
 * What the row is compared with: irqoff for gup_fast(), batch for an exit, an
 * ipi flush for a fence, else the same with ipi. NULL if that was not measured.
 */
const struct result *results_base(const struct results *all, const struct result *r);

#endif
