/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/plan.c: command lines of `bench`, good and bad. */
#include "unit.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/backends.h"
#include "shared/harness.h"
#include "vmm/plan.h"

#define BIT(backend) (1u << HF_BACKEND_##backend)

#define MAX_WORDS 16u

static char line[256];

/* Parses blank-separated words. */
static int parse(struct plan *plan, const char *words)
{
	char *argv[MAX_WORDS + 1], *save = NULL;
	int argc = 0;

	snprintf(line, sizeof(line), "bench %s", words);
	for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		assert_true(argc < (int)MAX_WORDS);
		argv[argc++] = w;
	}
	argv[argc] = NULL;
	optind = 0;
	return plan_parse(plan, argc, argv);
}

static void defaults(void **state)
{
	struct plan p;

	(void)state;
	assert_s64(parse(&p, "kernel"), -1);
	assert_string_equal(p.kernel, "kernel");
	assert_string_equal(p.out_dir, ".");
	assert_int_equal(p.samples, 200);
	assert_int_equal(p.target_count, 6);
	assert_int_equal(p.targets[5], 63);
	assert_int_equal(p.backends, ((1u << HF_BACKEND_COUNT) - 1) & ~(BIT(NONE) | BIT(KICK)));
	assert_s64(parse(&p, "--quick kernel"), -1);
	assert_int_equal(p.samples, 40);
	assert_int_equal(p.target_count, 2);
}

static void choices(void **state)
{
	struct plan p;

	(void)state;
	assert_s64(parse(&p, "--suite flush --backends ipi,none --targets 3,511 --samples 4096 "
			     "--quick --out d k"),
		   -1);
	assert_int_equal(p.backends, BIT(IPI) | BIT(NONE));
	assert_int_equal(p.target_count, 2);
	assert_int_equal(p.targets[0], 3);
	assert_int_equal(p.targets[1], 511);
	assert_int_equal(p.samples, HARNESS_MAX_SAMPLES);
	assert_string_equal(p.out_dir, "d");
	assert_string_equal(p.kernel, "k");
	assert_s64(parse(&p, "--targets 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1 k"), -1);
	assert_int_equal(p.target_count, PLAN_MAX_TARGET_COUNTS);
}

static void ring(void **state)
{
	struct plan p;

	(void)state;
	assert_s64(parse(&p, "--suite ring k"), -1);
	assert_string_equal(plan_suite_name(&p), "ring");
	assert_int_equal(plan_guest_count(&p), 2);
	assert_int_equal(plan_guest(&p, 0).backend, HF_BACKEND_IPI);
	assert_string_equal(plan_guest(&p, 0).cases, "ipi");
	assert_int_equal(plan_guest(&p, 1).backend, HF_BACKEND_HYPERFLUSH);
	assert_string_equal(plan_guest(&p, 1).cases, "ring");
	assert_int_equal(plan_guest(&p, 1).targets, 3);
}

static void mistakes(void **state)
{
	static const char *const lines[] = {
		"",
		"a b",
		"--no-such k",
		"--samples",
		"--suite nobody k",
		"--backends nobody k",
		"--backends auto k",
		"--backends , k",
		"--targets , k",
		"--targets 0 k",
		"--targets 512 k",
		"--targets -1 k",
		"--targets 3x k",
		"--targets 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1 k",
		"--samples 0 k",
		"--samples 4097 k",
		"--samples 99999999999999999999 k",
	};
	struct plan p;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		assert_int_equal(parse(&p, lines[i]), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(choices),
		cmocka_unit_test(ring),
		cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
