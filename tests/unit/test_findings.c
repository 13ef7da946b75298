/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/findings.c: three forms of the same results, which agree with each other and can be parsed.
 */
#define _GNU_SOURCE
#include "unit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/findings.h"

/* Names that a shell, TAP or JSON might stumble over are none that a guest prints; texts may be. */
static const struct {
	enum ktap_outcome outcome;
	const char *name, *text;
} some[] = {
	{ KTAP_PASSED, "a.b", "3 calls, 1 CPUs fresh" },
	{ KTAP_FAILED, "a.c", "0, not \"0x3\"; \\ and \t" },
	{ KTAP_SKIPPED, "a.d.e", "it is offered" },
	{ KTAP_DEVIATES, "b", "KVM does (kvm_hv_flush_tlb())" },
	{ KTAP_PASSED, "c", "" },
};

static const struct findings_host host = { "6.12.0", "kvm_amd", true };

/* All of `some` in that form, for free(). */
static char *written(enum findings_form form)
{
	size_t size = 0;
	char *text = NULL;
	struct findings f = { .form = form, .to = open_memstream(&text, &size) };

	assert_non_null(f.to);
	findings_begin(&f);
	for (size_t i = 0; i < COUNT_OF(some); i++)
		assert_true(findings_add_text(&f, some[i].outcome, some[i].name, some[i].text));
	assert_int_equal(findings_end(&f, &host), 0);
	fclose(f.to);
	findings_free(&f);
	return text;
}

static void table(void **state)
{
	char *text = written(FINDINGS_TABLE), name[32], outcome[16], *line = text;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(some); i++) {
		assert_int_equal(sscanf(line, "%15s %31s", outcome, name), 2);
		assert_string_equal(outcome, ktap_outcome_name(some[i].outcome));
		assert_string_equal(name, some[i].name);
		line = strchr(line, '\n') + 1;
	}
	assert_string_equal(line, "1 deviations\n2 passed, 1 failed, 1 skipped\n");
	free(text);
}

/* What it writes is what ktap.c reads, and the plan is the number of results. */
static void tap(void **state)
{
	char *text = written(FINDINGS_TAP), *line = text;
	unsigned plan = 0;

	(void)state;
	assert_memory_equal(line, "TAP version 14\n", 15);
	line += 15;
	for (size_t i = 0; i < COUNT_OF(some); i++) {
		struct ktap_result r;

		assert_true(ktap_parse(line, strcspn(line, "\n"), &r));
		assert_int_equal(r.outcome, some[i].outcome);
		assert_int_equal(r.name_len, strlen(some[i].name));
		assert_memory_equal(r.name, some[i].name, strlen(some[i].name));
		line = strchr(line, '\n') + 1;
	}
	assert_int_equal(sscanf(line, "1..%u", &plan), 1);
	assert_int_equal(plan, COUNT_OF(some));
	line = strchr(line, '\n') + 1;
	assert_string_equal(line, "# 1 deviations\n# 2 passed, 1 failed, 1 skipped\n");
	free(text);
}

static void json(void **state)
{
	char *text = written(FINDINGS_JSON);
	json_error_t error;
	json_t *root = json_loads(text, 0, &error), *rows;
	const char *kernel, *kvm;
	int schema, nested, passed, failed, skipped, deviates;

	(void)state;
	assert_non_null(root);
	assert_int_equal(json_unpack(root, "{s:i, s:{s:s, s:s, s:b}, s:i, s:i, s:i, s:i, s:o}",
				     "schema", &schema, "host", "kernel", &kernel, "kvm", &kvm,
				     "nested_paging", &nested, "passed", &passed, "failed", &failed,
				     "skipped", &skipped, "deviates", &deviates, "results", &rows),
			 0);
	assert_int_equal(schema, 1);
	assert_string_equal(kernel, host.kernel);
	assert_string_equal(kvm, host.kvm);
	assert_true(nested);
	assert_int_equal(passed, 2);
	assert_int_equal(failed, 1);
	assert_int_equal(skipped, 1);
	assert_int_equal(deviates, 1);
	assert_int_equal(json_array_size(rows), COUNT_OF(some));
	for (size_t i = 0; i < COUNT_OF(some); i++) {
		const char *name, *outcome, *what;

		assert_int_equal(json_unpack(json_array_get(rows, i), "{s:s, s:s, s:s}", "check",
					     &name, "outcome", &outcome, "text", &what),
				 0);
		assert_string_equal(name, some[i].name);
		assert_string_equal(outcome, ktap_outcome_name(some[i].outcome));
		assert_string_equal(what, some[i].text);
	}
	json_decref(root);
	free(text);
}

/* A parsed line is not NUL-terminated: no more of it is kept than its lengths say. */
static void keeps_its_lengths(void **state)
{
	static const char line[] = "ok 1 - name: textual";
	struct findings f = { .form = FINDINGS_JSON };
	struct ktap_result r;

	(void)state;
	assert_true(ktap_parse(line, strlen(line) - 3, &r));
	assert_true(findings_add(&f, &r));
	assert_string_equal(f.list[0].name, "name");
	assert_string_equal(f.list[0].text, "text");
	findings_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(tap),
		cmocka_unit_test(json),
		cmocka_unit_test(keeps_its_lengths),
	};

	return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
