/* SPDX-License-Identifier: BSD-2-Clause */
#include "result.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Nearest rank: the smallest sample that at least `percent` per cent do not exceed. n > 0. */
static double percentile(const double *sorted, uint32_t n, uint32_t percent)
{
	uint64_t rank = ((uint64_t)n * percent + 99) / 100;

	return sorted[rank ? rank - 1 : 0];
}

void result_summarise(struct result *r, double *samples, uint32_t n, double scale)
{
	double sum = 0;

	r->n = n;
	r->min = r->mean = r->median = r->p90 = r->p99 = r->max = (double)NAN;
	if (!n)
		return;
	qsort(samples, n, sizeof(*samples), compare);
	for (uint32_t i = 0; i < n; i++)
		sum += samples[i];
	r->min = samples[0] * scale;
	r->mean = sum / n * scale;
	r->median = percentile(samples, n, 50) * scale;
	r->p90 = percentile(samples, n, 90) * scale;
	r->p99 = percentile(samples, n, 99) * scale;
	r->max = samples[n - 1] * scale;
}

void result_count(struct result *r, const struct harness_sample *samples, uint32_t n, double ns)
{
	/* In floating point: the guest's numbers may be anything. */
	double ipis = 0, hypercalls = 0, skipped = 0, waited = 0;

	for (uint32_t i = 0; i < n; i++) {
		ipis += (double)samples[i].guest_ipis;
		hypercalls += (double)samples[i].hypercalls;
		skipped += (double)samples[i].skipped;
		waited += (double)samples[i].waited_ticks;
	}
	double ops = n ? n : (double)NAN;

	r->per_op.guest_ipis = ipis / ops;
	r->per_op.hypercalls = hypercalls / ops;
	r->per_op.skipped = skipped / ops;
	r->per_op.waited_ns = waited * ns / ops;
}

void results_begin(struct results *all)
{
	all->limit = all->count + RESULTS_A_GUEST;
	all->skip_limit = all->skip_count + RESULTS_A_GUEST;
}

int results_add(struct results *all, const struct result *r)
{
	if (all->count >= all->limit)
		return -ENOSPC;
	struct result *list = realloc(all->list, (all->count + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	all->list = list;
	list[all->count++] = *r;
	return 0;
}

int results_skip(struct results *all, const char *backend, uint32_t targets, const char *reason)
{
	if (all->skip_count >= all->skip_limit)
		return -ENOSPC;
	struct result_skip *skips = realloc(all->skips, (all->skip_count + 1) * sizeof(*skips));

	if (!skips)
		return -ENOMEM;
	all->skips = skips;
	skips += all->skip_count++;
	snprintf(skips->backend, sizeof(skips->backend), "%s", backend);
	snprintf(skips->reason, sizeof(skips->reason), "%s", reason);
	skips->targets = targets;
	return 0;
}

void results_free(struct results *all)
{
	free(all->list);
	free(all->skips);
	*all = (struct results){ 0 };
}

const struct result *results_find(const struct results *all, const char *name, const char *backend,
				  const struct result *like)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct result *r = &all->list[i];

		if (!strcmp(r->name, name) && !strcmp(r->backend, backend) &&
		    r->targets == like->targets && r->placement_kind == like->placement_kind)
			return r;
	}
	return NULL;
}

const struct result *results_base(const struct results *all, const struct result *r)
{
	static const struct {
		const char *name, *base_name, *base_backend;
	} bases[] = {
		{ "gup-1", "gup-1", "irqoff" }, { "gup-16", "gup-16", "irqoff" },
		{ "exit", "exit", "batch" },	{ "munmap-16", "munmap-16", "waited" },
		{ "fence", "flush", "ipi" },
	};

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		if (!strcmp(bases[i].name, r->name))
			return results_find(all, bases[i].base_name, bases[i].base_backend, r);
	}
	return results_find(all, r->name, "ipi", r);
}
