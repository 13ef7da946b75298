/* SPDX-License-Identifier: BSD-2-Clause */
#include "report.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "shared/backends.h"

void report_table(FILE *out, const struct results *all)
{
	if (all->count) {
		fprintf(out,
			"\nsuite %s, unit: %s; per flush: ipis, exits, kicks, skipped targets\n",
			all->list[0].suite, all->list[0].unit);
		fprintf(out, "%-11s %7s  %-10s %4s %12s %12s %12s %12s %8s %6s %6s %6s %6s\n",
			"placement", "targets", "backend", "n", "median", "mean", "p99", "max",
			"/ ipi", "ipis", "exits", "kicks", "skip");
	}
	for (size_t i = 0; i < all->count; i++) {
		const struct result *r = &all->list[i], *ipi = results_find(all, "ipi", r);

		fprintf(out, "%-11s %7u  %-10s %4u %12.0f %12.0f %12.0f %12.0f ", r->placement,
			r->targets, r->backend, r->n, r->median, r->mean, r->p99, r->max);
		if (ipi)
			fprintf(out, "%8.4f", r->mean / ipi->mean);
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

static const struct panel {
	enum harness_placement kind;
	const char *title;
} panels[] = {
	{ HARNESS_OWN_CPU, "each vCPU on its own CPU" },
	{ HARNESS_OVERCOMMITTED, "several vCPUs a CPU" },
	{ HARNESS_DESCHEDULED, "one target descheduled" },
};

#define PANELS (sizeof(panels) / sizeof(panels[0]))

static const char *const backend_names[] = {
#define BACKEND_NAME(id, text, what) text,
	HF_BACKENDS(BACKEND_NAME)
#undef BACKEND_NAME
};

/* Emits the data block of one line of the plot. False if it has no point. */
static int plot_block(FILE *f, const struct results *all, const char *backend,
		      enum harness_placement kind)
{
	int points = 0;

	for (size_t i = 0; i < all->count; i++) {
		const struct result *r = &all->list[i];

		if (r->placement_kind != kind || strcmp(r->backend, backend) || !r->n)
			continue;
		if (!points++)
			fprintf(f, "$%s_%d << END\n", backend, (int)kind);
		fprintf(f, "%u %.0f %.0f\n", r->targets, r->median, r->p99);
	}
	if (points)
		fprintf(f, "END\n");
	return points;
}

static void plot_panel(FILE *f, const struct panel *p, const int points[HF_BACKEND_COUNT],
		       const char *unit)
{
	const char *separator = "plot ";

	fprintf(f, "set title '%s'\nset ylabel '%s a flush, median'\n", p->title, unit);
	for (unsigned b = 0; b < HF_BACKEND_COUNT; b++) {
		if (!points[b])
			continue;
		fprintf(f, "%s$%s_%d using 1:2 with linespoints lw 2 lc %u pt %u ps 0.7 title '%s'",
			separator, backend_names[b], (int)p->kind, b, b + 4, backend_names[b]);
		separator = ", \\\n     ";
	}
	fprintf(f, "\n");
}

int report_plot(const char *path, const char *svg_name, const struct report_host *host,
		const struct results *all)
{
	int points[PANELS][HF_BACKEND_COUNT], filled = 0;
	FILE *f = fopen(path, "w");

	if (!f)
		return -errno;
	for (unsigned p = 0; p < PANELS; p++) {
		int any = 0;

		for (unsigned b = 0; b < HF_BACKEND_COUNT; b++)
			any |= points[p][b] = plot_block(f, all, backend_names[b], panels[p].kind);
		filled += !!any;
	}
	fprintf(f,
		"set terminal svg noenhanced size %d,460 font 'sans,12' background 'white'\nset "
		"output '%s'\n",
		380 * (filled ? filled : 1), svg_name);
	fprintf(f,
		"set logscale xy\nset grid\nset key below maxrows 2\nset xlabel 'target vCPUs'\n");
	fprintf(f, "set xtics (1, 3, 7, 15, 31, 63)\nset xrange [0.8:80]\n");
	fprintf(f, "set multiplot layout 1,%d title 'Cross-vCPU TLB flush, Linux %s, %s, %s'\n",
		filled ? filled : 1, host->kernel, host->module, host->mode);
	for (unsigned p = 0; p < PANELS; p++) {
		int any = 0;

		for (unsigned b = 0; b < HF_BACKEND_COUNT; b++)
			any |= points[p][b];
		if (any)
			plot_panel(f, &panels[p], points[p], all->list[0].unit);
	}
	fprintf(f, "unset multiplot\n");
	return fclose(f) ? -errno : 0;
}
