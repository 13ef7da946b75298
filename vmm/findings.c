/* SPDX-License-Identifier: BSD-2-Clause */
#include "findings.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void findings_begin(struct findings *f)
{
	if (f->form == FINDINGS_TAP)
		fputs("TAP version 14\n", f->to);
}

/* TAP's descriptions have no '#' but before a directive. */
static void put_tap(const struct findings *f, const struct finding *one)
{
	bool bad = one->outcome == KTAP_FAILED || one->outcome == KTAP_DEVIATES;
	const char *mark = one->outcome == KTAP_SKIPPED	   ? " # SKIP "
			   : one->outcome == KTAP_DEVIATES ? " # TODO "
			   : *one->text			   ? ": "
							   : "";

	fprintf(f->to, "%s %u - %s%s%s\n", bad ? "not ok" : "ok", f->count, one->name, mark,
		one->text);
}

bool findings_add(struct findings *f, const struct ktap_result *r)
{
	struct finding *list = realloc(f->list, (f->count + 1) * sizeof(*list));

	if (!list)
		return false;
	f->list = list;

	struct finding *one = &list[f->count];

	*one = (struct finding){ r->outcome, strndup(r->name, (size_t)r->name_len),
				 strndup(r->text, (size_t)r->text_len) };
	if (!one->name || !one->text) {
		free(one->name);
		free(one->text);
		return false;
	}
	f->count++;
	f->counts[r->outcome]++;
	if (f->form == FINDINGS_TABLE)
		fprintf(f->to, "%-8s  %-40s %s\n", ktap_outcome_name(one->outcome), one->name,
			one->text);
	else if (f->form == FINDINGS_TAP)
		put_tap(f, one);
	return true;
}

bool findings_add_text(struct findings *f, enum ktap_outcome outcome, const char *name,
		       const char *text)
{
	return findings_add(f, &(struct ktap_result){ .outcome = outcome,
						      .name = name,
						      .name_len = (int)strlen(name),
						      .text = text,
						      .text_len = (int)strlen(text) });
}

static int put_json(const struct findings *f, const struct findings_host *host)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < f->count; i++)
		json_array_append_new(rows,
				      json_pack("{s:s, s:s, s:s}", "check", f->list[i].name,
						"outcome", ktap_outcome_name(f->list[i].outcome),
						"text", f->list[i].text));
	json_t *root =
		json_pack("{s:i, s:{s:s, s:s, s:b}, s:i, s:i, s:i, s:i, s:o}", "schema", 1, "host",
			  "kernel", host->kernel, "kvm", host->kvm, "nested_paging",
			  host->nested_paging, "passed", (int)f->counts[KTAP_PASSED], "failed",
			  (int)f->counts[KTAP_FAILED], "skipped", (int)f->counts[KTAP_SKIPPED],
			  "deviates", (int)f->counts[KTAP_DEVIATES], "results", rows);
	int err = !root ? -ENOMEM : json_dumpf(root, f->to, JSON_INDENT(1)) ? -EIO : 0;

	fputc('\n', f->to);
	json_decref(root);
	return err;
}

int findings_end(struct findings *f, const struct findings_host *host)
{
	const char *comment = f->form == FINDINGS_TAP ? "# " : "";

	if (f->form == FINDINGS_JSON)
		return put_json(f, host);
	if (f->form == FINDINGS_TAP)
		fprintf(f->to, "1..%u\n", f->count);
	fprintf(f->to, "%s%u deviations\n", comment, f->counts[KTAP_DEVIATES]);
	fprintf(f->to, "%s%u passed, %u failed, %u skipped\n", comment, f->counts[KTAP_PASSED],
		f->counts[KTAP_FAILED], f->counts[KTAP_SKIPPED]);
	return 0;
}

void findings_free(struct findings *f)
{
	for (unsigned i = 0; i < f->count; i++) {
		free(f->list[i].name);
		free(f->list[i].text);
	}
	free(f->list);
	f->list = NULL;
	f->count = 0;
}
