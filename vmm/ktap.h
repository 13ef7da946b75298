/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's results, read back from its console (guest/lib/ktap.h). */
#ifndef HF_VMM_KTAP_H
#define HF_VMM_KTAP_H

#include <stdbool.h>
#include <stddef.h>

/* X(id, "in the table and in JSON") */
#define KTAP_OUTCOMES(X)      \
	X(PASSED, "passed")   \
	X(FAILED, "failed")   \
	X(SKIPPED, "skipped") \
	X(DEVIATES, "deviates")

enum ktap_outcome {
#define KTAP_ENUM(id, text) KTAP_##id,
	KTAP_OUTCOMES(KTAP_ENUM)
#undef KTAP_ENUM
		KTAP_OUTCOME_COUNT
};

const char *ktap_outcome_name(enum ktap_outcome outcome);

/* Not terminated: `name` and `text` lie in the line. */
struct ktap_result {
	enum ktap_outcome outcome;
	const char *name, *text;
	int name_len, text_len;
};

/*
 * Reads one line of `len` bytes, without its newline: "[not ]ok N - NAME[: TEXT][ # SKIP TEXT]",
 * where "not ok" with "# TODO" is a deviation. False: it is no result.
 */
bool ktap_parse(const char *line, size_t len, struct ktap_result *r);

/* Reads "# Totals: pass:N fail:N skip:N[ deviation:N]" into counts by outcome; false: they are
 * unchanged. */
bool ktap_parse_totals(const char *line, size_t len, unsigned counts[KTAP_OUTCOME_COUNT]);

#endif
