/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/ktap.c: what the guest reports, and what only looks like it. */
#include "unit.h"

#include <string.h>

#include "vmm/ktap.h"

struct expected {
	const char *line;
	enum ktap_outcome outcome;
	const char *name, *text;
};

static void results(void **state)
{
	static const struct expected good[] = {
		{ "ok 1 - a.b.c: as it is", KTAP_PASSED, "a.b.c", "as it is" },
		{ "not ok 22 - a.b: 5, not 3\r", KTAP_FAILED, "a.b", "5, not 3" },
		{ "  ok 3 - a # SKIP why: so", KTAP_SKIPPED, "a", "why: so" },
		{ "not ok 4 - a # TODO known: f()", KTAP_DEVIATES, "a", "known: f()" },
		{ "ok 5 - alone", KTAP_PASSED, "alone", "" },
		{ "not ok 6 - a # SKIP no skip", KTAP_FAILED, "a # SKIP no skip", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct ktap_result r;

		assert_true(ktap_parse(good[i].line, strlen(good[i].line), &r));
		assert_int_equal(r.outcome, good[i].outcome);
		assert_int_equal(r.name_len, strlen(good[i].name));
		assert_memory_equal(r.name, good[i].name, strlen(good[i].name));
		assert_int_equal(r.text_len, strlen(good[i].text));
		assert_memory_equal(r.text, good[i].text, strlen(good[i].text));
	}
}

static void no_results(void **state)
{
	static const char *const bad[] = { "",		 " ",	      "ok",	    "ok 1",
					   "ok - a",	 "ok 1 -",    "okay 1 - a", "1..5",
					   "# ok 1 - a", "not 1 - a", "ok 1 - " };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct ktap_result r;

		assert_false(ktap_parse(bad[i], strlen(bad[i]), &r));
	}
}

/* Nothing behind `len` is read: the line ends where the console's text may end. */
static void ends_at_its_length(void **state)
{
	static const char line[] = "ok 1 - a: text # SKIP not here";
	struct ktap_result r;

	(void)state;
	for (size_t len = 0; len < sizeof(line); len++) {
		char *exact = test_malloc(len ? len : 1);

		memcpy(exact, line, len);
		ktap_parse(exact, len, &r);
		test_free(exact);
	}
	assert_true(ktap_parse(line, strlen("ok 1 - a: text"), &r));
	assert_int_equal(r.outcome, KTAP_PASSED);
}

static void totals(void **state)
{
	static const char with[] = "# Totals: pass:5 fail:1 skip:2 deviation:3",
			  without[] = "# Totals: pass:7 fail:0 skip:0", other[] = "HF-VERDICT pass";
	unsigned counts[KTAP_OUTCOME_COUNT];

	(void)state;
	assert_true(ktap_parse_totals(with, strlen(with), counts));
	assert_false(ktap_parse_totals(other, strlen(other), counts));
	assert_int_equal(counts[KTAP_PASSED], 5);
	assert_int_equal(counts[KTAP_FAILED], 1);
	assert_int_equal(counts[KTAP_SKIPPED], 2);
	assert_int_equal(counts[KTAP_DEVIATES], 3);
	assert_true(ktap_parse_totals(without, strlen(without), counts));
	assert_int_equal(counts[KTAP_PASSED], 7);
	assert_int_equal(counts[KTAP_DEVIATES], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results),
		cmocka_unit_test(no_results),
		cmocka_unit_test(ends_at_its_length),
		cmocka_unit_test(totals),
	};

	return cmocka_run_group_tests_name("ktap", tests, NULL, NULL);
}
