/* SPDX-License-Identifier: BSD-2-Clause */
/* What the checks of `conform` have come to: kept, counted, and written in one of three forms. */
#ifndef HF_VMM_FINDINGS_H
#define HF_VMM_FINDINGS_H

#include <stdbool.h>
#include <stdio.h>

#include "ktap.h"

enum findings_form {
	FINDINGS_TABLE,
	FINDINGS_TAP,  /* version 14; a deviation is "not ok … # TODO" */
	FINDINGS_JSON, /* one object, written at the end */
};

struct finding {
	enum ktap_outcome outcome;
	char *name, *text;
};

/* Zero but for `form` and `to` is "none yet". */
struct findings {
	enum findings_form form;
	FILE *to;
	struct finding *list;
	unsigned count, counts[KTAP_OUTCOME_COUNT];
};

struct findings_host {
	const char *kernel, *kvm;
	bool nested_paging;
};

/* What comes before the first one. */
void findings_begin(struct findings *f);

/* Keeps one, and writes it unless it is JSON. False: no memory. */
bool findings_add(struct findings *f, const struct ktap_result *r);
bool findings_add_text(struct findings *f, enum ktap_outcome outcome, const char *name,
		       const char *text);

/* The tally: "N passed, N failed, N skipped" in the last line but of JSON. 0 or -errno. */
int findings_end(struct findings *f, const struct findings_host *host);

void findings_free(struct findings *f);

#endif
