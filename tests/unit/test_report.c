/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/report.c: the JSON file read back, the table and the plot looked through. */
#include "unit.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/report.h"

static const struct report_host host = {
	.kernel = "6.1.0-test", .module = "kvm_amd", .nested_paging = 1, .cpus = 4, .mode = "host"
};

static struct results results;
static char path[32];

static void add(const char *backend, uint32_t targets, double mean, uint32_t n)
{
	struct result r = { .suite = "flush",
			    .name = "one-page",
			    .placement = "1:1",
			    .placement_kind = HARNESS_OWN_CPU,
			    .unit = "ns",
			    .targets = targets,
			    .n = n };

	snprintf(r.backend, sizeof(r.backend), "%s", backend);
	r.min = r.mean = r.median = r.p90 = r.p99 = r.max = n ? mean : (double)NAN;
	r.per_op.exits = 1.5;
	assert_int_equal(results_add(&results, &r), 0);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/hyperflush-unit-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	results_begin(&results);
	add("ipi", 3, 8000, 40);
	add("hyperflush", 3, 2000, 40);
	add("hyperflush", 7, 4000, 0);
	return results_skip(&results, "xen", 3, "KVM_CAP_XEN_HVM \"is\" 0\n");
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	results_free(&results);
	return 0;
}

static char *slurp(void)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 65536);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

static void json_reads_back(void **state)
{
	json_error_t error;

	(void)state;
	assert_int_equal(report_json(path, &host, &results), 0);
	json_t *root = json_load_file(path, 0, &error);

	assert_non_null(root);
	assert_int_equal(json_integer_value(json_object_get(root, "schema")), 1);
	json_t *h = json_object_get(root, "host");

	assert_string_equal(json_string_value(json_object_get(h, "kernel")), host.kernel);
	assert_true(json_is_true(json_object_get(h, "nested_paging")));
	json_t *rows = json_object_get(root, "results");

	assert_int_equal(json_array_size(rows), 3);
	json_t *row = json_array_get(rows, 1);

	assert_string_equal(json_string_value(json_object_get(row, "backend")), "hyperflush");
	assert_int_equal(json_integer_value(json_object_get(row, "targets")), 3);
	assert_true(json_real_value(json_object_get(row, "mean")) == 2000.0);
	json_t *per_op = json_object_get(row, "per_op");

	assert_true(json_real_value(json_object_get(per_op, "exits")) == 1.5);
#define HAS_KEY(name) assert_non_null(json_object_get(per_op, #name));
	RESULT_PER_OP(HAS_KEY)
#undef HAS_KEY
	json_decref(root);
}

/* JSON has no NaN: a case without samples has nulls. */
static void json_of_no_samples(void **state)
{
	json_error_t error;

	(void)state;
	assert_int_equal(report_json(path, &host, &results), 0);
	json_t *root = json_load_file(path, 0, &error);
	json_t *row = json_array_get(json_object_get(root, "results"), 2);

	assert_int_equal(json_integer_value(json_object_get(row, "n")), 0);
	assert_true(json_is_null(json_object_get(row, "mean")));
	assert_true(json_is_null(json_object_get(row, "p99")));
	json_t *skip = json_array_get(json_object_get(root, "skipped"), 0);

	assert_string_equal(json_string_value(json_object_get(skip, "reason")),
			    results.skips[0].reason);
	json_decref(root);
}

static void json_of_nothing(void **state)
{
	const struct results none = { 0 };
	json_error_t error;

	(void)state;
	assert_int_equal(report_json(path, &host, &none), 0);
	json_t *root = json_load_file(path, 0, &error);

	assert_int_equal(json_array_size(json_object_get(root, "results")), 0);
	json_decref(root);
}

static void file_that_cannot_be_written(void **state)
{
	(void)state;
	assert_true(report_json("/nonexistent/flush.json", &host, &results) < 0);
	assert_true(report_plot("/nonexistent/flush.gp", "flush.svg", &host, &results) < 0);
}

static void table(void **state)
{
	char text[8192] = "";
	FILE *f = fmemopen(text, sizeof(text) - 1, "w");

	(void)state;
	assert_non_null(f);
	report_table(f, &results);
	fclose(f);
	assert_non_null(strstr(text, "0.2500")); /* 2000 of the IPI's 8000 */
	assert_non_null(strstr(text, "1.0000"));
	assert_non_null(strstr(text, "skipped: xen, 3 targets: KVM_CAP_XEN_HVM"));
}

/* The script defines a block for what it plots, and leaves the cases without samples out. */
static void plot(void **state)
{
	(void)state;
	assert_int_equal(report_plot(path, "flush.svg", &host, &results), 0);
	char *text = slurp();

	assert_non_null(strstr(text, "set output 'flush.svg'"));
	assert_non_null(strstr(text, "$ipi_1 << END\n3 8000 8000\nEND\n"));
	assert_non_null(strstr(text, "$hyperflush_1 << END\n3 2000 2000\nEND\n"));
	assert_non_null(strstr(text, "title 'hyperflush'"));
	assert_null(strstr(text, "title 'xen'"));
	assert_null(strstr(text, "nan"));
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(json_reads_back), TEST(json_of_no_samples),
		TEST(json_of_nothing), TEST(file_that_cannot_be_written),
		TEST(table),	       TEST(plot),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
