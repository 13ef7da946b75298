/* SPDX-License-Identifier: BSD-2-Clause */
/* The picture of report.h: lines over the number of targets, or bars by case. */
#include "report.h"

#include <errno.h>
#include <string.h>

#include "shared/backends.h"

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

static void plot_flush(FILE *f, const char *svg_name, const struct report_host *host,
		       const struct results *all)
{
	int points[PANELS][HF_BACKEND_COUNT], filled = 0;

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
}

/* A block for each case: bars of medians against the base's, at consecutive places. */
static void plot_bars(FILE *f, const char *svg_name, const struct report_host *host,
		      const struct results *all)
{
	const char *separator = "plot ";
	unsigned cases = 0;

	for (size_t i = 0; i < all->count; i++) {
		const struct result *r = &all->list[i], *base = results_base(all, r);

		if (!i || strcmp(r->name, r[-1].name))
			fprintf(f, "%s$case%u << END\n", cases ? "END\n" : "", cases), cases++;
		fprintf(f, "%zu \"%s\" %f\n", i + cases, r->backend,
			base && base->median > 0 ? r->median / base->median : 1.0);
	}
	fprintf(f, "%s", cases ? "END\n" : "");
	fprintf(f,
		"set terminal svg noenhanced size 900,420 font 'sans,12' background 'white'\n"
		"set output '%s'\n"
		"set title 'Memory management without IPIs, Linux %s, %s, %s'\n"
		"set style fill solid 0.8\nset boxwidth 0.8\nset grid y\nset logscale y\n"
		"set xtics rotate by -45\nset key outside right\n"
		"set ylabel '%s against the base of the case, median'\n",
		svg_name, host->kernel, host->module, host->mode, all->list[0].unit);
	cases = 0;
	for (size_t i = 0; i < all->count; i++) {
		if (i && !strcmp(all->list[i].name, all->list[i - 1].name))
			continue;
		fprintf(f, "%s$case%u using 1:3:xtic(2) with boxes lc %u title '%s'", separator,
			cases, cases + 1, all->list[i].name);
		separator = ", \\\n     ";
		cases++;
	}
	fprintf(f, "\n");
}

int report_plot(const char *path, const char *svg_name, const struct report_host *host,
		const struct results *all)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return -errno;
	if (!all->count || !strcmp(all->list[0].suite, "flush"))
		plot_flush(f, svg_name, host, all);
	else
		plot_bars(f, svg_name, host, all);
	return fclose(f) ? -errno : 0;
}
