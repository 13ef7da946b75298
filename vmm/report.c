/* SPDX-License-Identifier: BSD-2-Clause */
#include "report.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>

void report_table(FILE *out, const struct results *all)
{
	if (all->count) {
		fprintf(out,
			"\nsuite %s, unit: %s; per call: ipis, exits, kicks, skipped targets\n",
			all->list[0].suite, all->list[0].unit);
		fprintf(out, "%-8s %-11s %7s  %-10s %4s %12s %12s %12s %12s %8s %6s %6s %6s %6s\n",
			"case", "placement", "targets", "backend", "n", "median", "mean", "p99",
			"max", "/ base", "ipis", "exits", "kicks", "skip");
	}
	for (size_t i = 0; i < all->count; i++) {
		const struct result *r = &all->list[i], *base = results_base(all, r);

		fprintf(out, "%-8s %-11s %7u  %-10s %4u %12.0f %12.0f %12.0f %12.0f ", r->name,
			r->placement, r->targets, r->backend, r->n, r->median, r->mean, r->p99,
			r->max);
		if (base)
			fprintf(out, "%8.4f", r->mean / base->mean);
		else
			fprintf(out, "%8s", "-");
		fprintf(out, " %6.2f %6.2f %6.2f %6.2f\n", r->per_op.guest_ipis, r->per_op.exits,
			r->per_op.kicks, r->per_op.skipped);
	}
	for (size_t i = 0; i < all->skip_count; i++)
		fprintf(out, "skipped: %s, %u targets: %s\n", all->skips[i].backend,
			all->skips[i].targets, all->skips[i].reason);
}

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *result_json(const struct result *r)
{
	json_t *per_op = json_object();

#define PER_OP_KEY(name) json_object_set_new(per_op, #name, number(r->per_op.name));
	RESULT_PER_OP(PER_OP_KEY)
#undef PER_OP_KEY
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "suite", r->suite, "case", r->name, "backend", r->backend, "targets",
			 (int)r->targets, "placement", r->placement, "unit", r->unit, "n",
			 (int)r->n, "min", number(r->min), "mean", number(r->mean), "median",
			 number(r->median), "p90", number(r->p90), "p99", number(r->p99), "max",
			 number(r->max), "per_op", per_op);
}

int report_json(const char *path, const struct report_host *host, const struct results *all)
{
	json_t *rows = json_array(), *skips = json_array();

	for (size_t i = 0; i < all->count; i++)
		json_array_append_new(rows, result_json(&all->list[i]));
	for (size_t i = 0; i < all->skip_count; i++)
		json_array_append_new(skips,
				      json_pack("{s:s, s:i, s:s}", "backend", all->skips[i].backend,
						"targets", (int)all->skips[i].targets, "reason",
						all->skips[i].reason));
	json_t *root = json_pack("{s:i, s:{s:s, s:s, s:b, s:i, s:s}, s:o, s:o}", "schema", 1,
				 "host", "kernel", host->kernel, "kvm", host->module,
				 "nested_paging", host->nested_paging, "cpus", (int)host->cpus,
				 "mode", host->mode, "results", rows, "skipped", skips);
	int err = !root ? -ENOMEM : json_dump_file(root, path, JSON_INDENT(1)) ? -EIO : 0;

	json_decref(root);
	return err;
}
