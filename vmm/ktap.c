/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "ktap.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 512

static const char *const names[] = {
#define KTAP_NAME(id, text) [KTAP_##id] = text,
	KTAP_OUTCOMES(KTAP_NAME)
#undef KTAP_NAME
};

const char *ktap_outcome_name(enum ktap_outcome outcome)
{
	return names[outcome];
}

static bool skip_word(const char **p, const char *end, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(end - *p) < n || memcmp(*p, word, n))
		return false;
	*p += n;
	return true;
}

static bool skip_number(const char **p, const char *end)
{
	const char *start = *p;

	while (*p < end && **p >= '0' && **p <= '9')
		++*p;
	return *p > start;
}

/* Splits at the first `mark`; both parts are the whole and empty if there is none. */
static bool split(const char *p, const char *end, const char *mark, const char **rest)
{
	const char *at = memmem(p, (size_t)(end - p), mark, strlen(mark));

	*rest = at ? at + strlen(mark) : end;
	return at;
}

static void fill(struct ktap_result *r, const char *name, const char *name_end, const char *text,
		 const char *end)
{
	r->name = name;
	r->name_len = (int)(name_end - name);
	r->text = text;
	r->text_len = (int)(end - text);
}

bool ktap_parse(const char *line, size_t len, struct ktap_result *r)
{
	const char *p = line, *end = line + len, *text;
	bool failed;

	while (end > p && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	while (p < end && *p == ' ')
		p++;
	failed = skip_word(&p, end, "not ");
	if (!skip_word(&p, end, "ok ") || !skip_number(&p, end) || !skip_word(&p, end, " - "))
		return false;
	if (!failed && split(p, end, " # SKIP ", &text)) {
		r->outcome = KTAP_SKIPPED;
		fill(r, p, text - strlen(" # SKIP "), text, end);
	} else if (failed && split(p, end, " # TODO ", &text)) {
		r->outcome = KTAP_DEVIATES;
		fill(r, p, text - strlen(" # TODO "), text, end);
	} else {
		r->outcome = failed ? KTAP_FAILED : KTAP_PASSED;
		if (split(p, end, ": ", &text))
			fill(r, p, text - strlen(": "), text, end);
		else
			fill(r, p, end, end, end);
	}
	return r->name_len > 0;
}

bool ktap_parse_totals(const char *line, size_t len, unsigned counts[KTAP_OUTCOME_COUNT])
{
	unsigned n[KTAP_OUTCOME_COUNT] = { 0 };
	char copy[LINE_MAX_BYTES];

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, line, len);
	copy[len] = 0;
	if (sscanf(copy, "# Totals: pass:%u fail:%u skip:%u deviation:%u", &n[KTAP_PASSED],
		   &n[KTAP_FAILED], &n[KTAP_SKIPPED], &n[KTAP_DEVIATES]) < 3)
		return false;
	memcpy(counts, n, sizeof(n));
	return true;
}
