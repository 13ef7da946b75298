/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suite `conform`: does a hypervisor's remote flush do what its specification says? Each check has
 * a name, ABI.GROUP.WHAT, and one result.
 *
 * Command line: abi=LIST of the tables' names (all without it), only=LIST of names or of their
 * beginnings up to a point, list: print the names, control=no-call|flush: checks that must fail
 * (check.h); npt=0|1, deviation: as for suite flush; loose: KVM was not told to keep to CPUID;
 * qemu: it is QEMU that plays Xen.
 */
#include "guest/conform/abi/check.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/flush.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"
#include "guest/suites.h"
#include "guest/user/launch.h"
#include "shared/harness.h"

#define NAME_MAX 64

static const struct check_table *const tables[] = {
	&conform_hyperv,
	&conform_hyperv_refused,
	&conform_hyperflush_discovery,
	&conform_hyperflush_state,
	&conform_hyperflush,
	&conform_hyperflush_refused,
	&conform_hyperflush_detach,
	&conform_hyperflush_detach_race,
	&conform_hyperflush_ring,
	&conform_hyperflush_ring_rows,
	&conform_xen,
	&conform_kvm,
	&conform_absent,
};

#define FINDING(fn, kind)                                     \
	void fn(struct finding *f, const char *fmt, ...)      \
	{                                                     \
		va_list ap;                                   \
                                                              \
		va_start(ap, fmt);                            \
		vsnprintf(f->text, sizeof(f->text), fmt, ap); \
		va_end(ap);                                   \
		f->outcome = kind;                            \
	}
FINDING(finding_pass, OUTCOME_PASSED)
FINDING(finding_fail, OUTCOME_FAILED)
FINDING(finding_skip, OUTCOME_SKIPPED)
FINDING(finding_deviates, OUTCOME_DEVIATES)

static void name_of(char *name, const struct check_table *t, const struct check *check)
{
	snprintf(name, NAME_MAX, "%s.%s", t->abi, check->name);
}

/* By its name, or by the part of it before any of its points. */
static bool wanted(const char *name)
{
	char prefix[NAME_MAX];

	if (cmdline_lists("only", name))
		return true;
	strlcpy(prefix, name, sizeof(prefix));
	for (u32 i = 0; prefix[i]; i++) {
		if (prefix[i] != '.')
			continue;
		prefix[i] = '\0';
		if (cmdline_lists("only", prefix))
			return true;
		prefix[i] = '.';
	}
	return false;
}

static void report(const char *name, const struct finding *f)
{
	switch (f->outcome) {
	case OUTCOME_PASSED:
	case OUTCOME_FAILED:
		ktap_ok(f->outcome == OUTCOME_PASSED, "%s: %s", name, f->text);
		break;
	case OUTCOME_SKIPPED:
		ktap_skip_named(name, "%s", f->text);
		break;
	case OUTCOME_DEVIATES:
		ktap_deviation(name, "%s", f->text);
		break;
	case OUTCOME_NONE:
		ktap_ok(false, "%s: the check found nothing", name);
	}
}

static void run_table(struct conform *c, const struct check_table *t)
{
	const char *lacking = t->lacking();
	char name[NAME_MAX];

	for (u32 i = 0; i < t->count; i++) {
		struct finding f = { 0 };

		name_of(name, t, &t->check[i]);
		if (!wanted(name))
			continue;
		if (lacking)
			finding_skip(&f, "%s", lacking);
		else
			t->check[i].run(c, t->check[i].row, &f);
		report(name, &f);
	}
}

static void list_table(const struct check_table *t)
{
	char name[NAME_MAX];

	for (u32 i = 0; i < t->count; i++) {
		name_of(name, t, &t->check[i]);
		if (wanted(name))
			kprintf("check %s\n", name);
	}
}

static struct conform *prepare(void)
{
	struct conform *c = kzalloc(sizeof(*c));

	c->probes = probes_create();
	c->request = kzalloc(2 * PAGE_SIZE);
	c->output = kzalloc(PAGE_SIZE);
	c->edge = page_edge();
	return c;
}

static struct {
	u32 leaf;
	struct cpuid expected;
	u32 different;
} leaf_check;

static void compare_leaf(void *unused)
{
	struct cpuid here = cpuid(leaf_check.leaf, 0);

	(void)unused;
	if (memcmp(&here, &leaf_check.expected, sizeof(here)))
		leaf_check.different++;
}

bool leaf_same_everywhere(struct conform *c, u32 leaf)
{
	probes_use(c->probes, &(struct cpumask){ 0 }); /* a probe lets nothing else run */
	leaf_check.leaf = leaf;
	leaf_check.expected = cpuid(leaf, 0);
	leaf_check.different = 0;
	run_everywhere(compare_leaf);
	return !leaf_check.different;
}

int suite_conform(void)
{
	char word[4];
	bool list = cmdline_get("list", word, sizeof(word));
	struct conform *c;
	const char *why_not = flush_init("ipi"); /* the guest's own memory is not under test */

	if (why_not)
		panic("conform: %s", why_not);
	c = prepare();
	for (u32 i = 0; i < ARRAY_SIZE(tables); i++) {
		if (!cmdline_lists("abi", tables[i]->abi))
			continue;
		if (list)
			list_table(tables[i]);
		else
			run_table(c, tables[i]);
	}
	probes_use(c->probes, &(struct cpumask){ 0 });
	if (list)
		return HARNESS_EXIT_PASS;
	return ktap_verdict();
}
