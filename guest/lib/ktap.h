/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Test results in KTAP. One CPU reports at a time; threads on other CPUs hand
 * their findings to the one that reports.
 *
 *   ktap_plan(2);
 *   ktap_ok(x == 1, "x is %d", x);
 *   ktap_begin("group");               nested, indented by two spaces
 *       ktap_plan(1);
 *       ktap_skip("no such feature");
 *   ktap_end();                        one result line in the outer level
 *   return ktap_verdict();
 */
#ifndef GUEST_LIB_KTAP_H
#define GUEST_LIB_KTAP_H

#include "guest/lib/types.h"

/*
 * Announces how many results this level will have. At most once a level. A
 * level that ends with another number of results has failed. Optional: without it
 * the plan is printed at the end of the level.
 */
void ktap_plan(unsigned count);

/* Opens a subtest; its results follow, up to the ktap_end(). */
void ktap_begin(const char *name);

/* Closes the innermost subtest: ok if all its results were, skipped if all were skipped. */
void ktap_end(void);

/* One result with a description. Returns cond. */
bool ktap_ok(bool cond, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One result "not run": counts neither as passed nor as failed. */
void ktap_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * One result "not as the specification says, but as is known": TODO in KTAP. Counts neither as
 * passed nor as failed.
 */
void ktap_deviation(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ktap_skip() with the result's name. */
void ktap_skip_named(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A diagnostic line ("# ..."). */
void ktap_diag(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Closes the report: prints "# Totals: pass:N fail:N skip:N", and " deviation:N" if there are
 * any (leaf results only), and returns HARNESS_EXIT_PASS, or HARNESS_EXIT_FAIL if a result or
 * a plan failed or no test ran (none at all, or all skipped).
 */
int ktap_verdict(void);

#endif
