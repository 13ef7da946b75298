/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suite `flush`: is a flush done when the backend says that it is? The same
 * checks for every backend; `none` and `kick` must fail them (verdict.h).
 *
 * Command line: backend=NAME, rounds=N (generations a check), only=LIST of the words in
 * `checks`; what the launcher knows of the host: npt=0|1, apicv=0, deviation.
 */
#include "guest/conform/bring_up.h"
#include "guest/conform/descheduled.h"
#include "guest/conform/duel.h"
#include "guest/conform/interrupts.h"
#include "guest/conform/reader.h"
#include "guest/conform/verdict.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/flush.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/harness.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/page.h"
#include "guest/suites.h"

struct suite {
	struct readers *readers;
	u64 rounds;
	bool own_cpus; /* each vCPU has a host CPU of its own */
};

/* One way to change entries and to flush them; targets are CPUs 1 to n. */
struct shape {
	const char *name;
	u32 slots;
	u64 entry_flags;
	unsigned flags;
	unsigned nr_ranges;
	struct {
		u32 slot, pages;
	} range[2];
};

static const struct shape shapes[] = {
	{ "one page", 1, 0, 0, 1, { { 0, 1 } } },
	{ "range of 8 pages", 8, 0, 0, 1, { { 0, 8 } } },
	{ "two ranges", 12, 0, 0, 2, { { 0, 4 }, { 4, 8 } } },
	{ "range of 40 pages, beyond single-page flushes", 40, 0, 0, 1, { { 0, 40 } } },
	{ "whole space", 4, 0, 0, 0, { { 0, 0 } } },
	{ "tables freed", 1, 0, FLUSH_TABLES, 1, { { 0, 1 } } },
	{ "global entries", 1, PTE_GLOBAL, FLUSH_GLOBALS, 0, { { 0, 0 } } },
	{ "strong form", 1, 0, FLUSH_STRONG, 1, { { 0, 1 } } },
};

static void build_request(struct flush_request *req, const struct shape *shape,
			  const struct cpumask *targets)
{
	*req = (struct flush_request){ .targets = *targets,
				       .flags = shape->flags,
				       .nr_ranges = shape->nr_ranges };
	for (unsigned i = 0; i < shape->nr_ranges; i++)
		req->ranges[i] = (struct flush_range){ arena_va(shape->range[i].slot),
						       shape->range[i].pages };
}

static void prepare(struct suite *s, const struct shape *shape, enum reader_mode mode,
		    const struct cpumask *targets)
{
	s->readers->mode = mode;
	s->readers->slots = shape->slots;
	s->readers->entry_flags = shape->entry_flags;
	s->readers->cpus = *targets;
	s->readers->watch_cr4 = false;
}

/* M-FLUSH-1 */
static void run_rounds(struct suite *s, const struct shape *shape)
{
	struct flush_request req;

	build_request(&req, shape, &s->readers->cpus);
	for (u64 g = 2; g < s->rounds + 2; g++) {
		if (s->readers->mode == READER_HALT)
			readers_wait_halted(s->readers, g - 1);
		readers_prepare(s->readers, g);
		flush_tlb(&req);
		readers_publish(s->readers, g);
		readers_wait(s->readers, g);
	}
}

static void check(struct suite *s, const char *name, const struct shape *shape,
		  enum reader_mode mode, enum target_state state, const struct cpumask *targets)
{
	prepare(s, shape, mode, targets);
	readers_start(s->readers);
	run_rounds(s, shape);
	struct readers_outcome out = readers_stop(s->readers);
	u32 n = cpumask_weight(targets);

	verdict(name, state, n, s->rounds * n, &out);
}

static struct cpumask first_targets(u32 n)
{
	struct cpumask m;

	cpumask_clear_all(&m);
	for (u32 i = 1; i <= n; i++)
		cpumask_set(&m, i);
	return m;
}

static enum target_state spinning(const struct suite *s)
{
	return s->own_cpus ? TARGETS_RUNNING : TARGETS_SCHEDULED;
}

static void check_shapes(struct suite *s)
{
	struct cpumask all = first_targets(cpu_count() - 1);

	ktap_begin("shapes");
	for (u32 i = 0; i < ARRAY_SIZE(shapes); i++)
		check(s, shapes[i].name, &shapes[i], READER_SPIN, spinning(s), &all);
	ktap_end();
}

static void check_counts(struct suite *s)
{
	char name[24];

	ktap_begin("targets");
	for (u32 n = 1; n < cpu_count();
	     n = n < 4 ? n + 1 : MIN(2 * n, MAX(n + 1, cpu_count() - 1))) {
		struct cpumask targets = first_targets(n);

		snprintf(name, sizeof(name), "%u targets", n);
		check(s, name, &shapes[0], READER_SPIN, spinning(s), &targets);
	}
	ktap_end();
}

static void check_halted(struct suite *s)
{
	struct cpumask all = first_targets(cpu_count() - 1);

	check(s, "halted targets", &shapes[0], READER_HALT, TARGETS_HALTED, &all);
}

/* M-FLUSH-2 */
static void check_descheduled(struct suite *s)
{
	struct cpumask all = first_targets(cpu_count() - 1);

	prepare(s, &shapes[0], READER_SPIN, &all);
	check_descheduled_target(s->readers, s->rounds);
}

/* Sets that cross the 64-bit banks, and leave gaps in them. */
static void check_sparse(struct suite *s)
{
	static const struct {
		const char *name;
		u32 n, cpu[5];
	} sets[] = {
		{ "CPU 63", 1, { 63 } },
		{ "CPU 64", 1, { 64 } },
		{ "CPU 65", 1, { 65 } },
		{ "CPUs 63, 64", 2, { 63, 64 } },
		{ "CPUs 1, 63, 64, 65", 4, { 1, 63, 64, 65 } },
		{ "CPUs 2, 62, 65", 3, { 2, 62, 65 } },
	};

	if (cpu_count() <= 65) {
		ktap_skip("sparse sets: they need 66 vCPUs");
		return;
	}
	ktap_begin("sparse sets");
	for (u32 i = 0; i < ARRAY_SIZE(sets); i++) {
		struct cpumask targets;

		cpumask_clear_all(&targets);
		for (u32 k = 0; k < sets[i].n; k++)
			cpumask_set(&targets, sets[i].cpu[k]);
		check(s, sets[i].name, &shapes[0], READER_SPIN, spinning(s), &targets);
	}
	ktap_end();
}

/* M-FLUSH-12 */
static void check_duel(struct suite *s)
{
	struct readers_outcome out = duel(s->readers->arena, s->rounds, flush_tlb);

	verdict("two initiators", spinning(s), 2, 2 * s->rounds, &out);
}

/* M-FLUSH-11 */
static void check_cr4(struct suite *s)
{
	struct cpumask all = first_targets(cpu_count() - 1);

	prepare(s, &shapes[0], READER_SPIN, &all);
	s->readers->watch_cr4 = true;
	readers_start(s->readers);
	run_rounds(s, &shapes[0]);
	struct readers_outcome out = readers_stop(s->readers);

	ktap_ok(out.checked == s->rounds * cpumask_weight(&all) && !out.cr4_changes,
		"CR4 unchanged: %lu changes in %lu looks", out.cr4_changes, out.checked);
}

/* M-FLUSH-11 */
static void check_interrupts(struct suite *s)
{
	struct cpumask all = first_targets(cpu_count() - 1);
	struct interrupt_watch watch;

	prepare(s, &shapes[0], READER_SPIN, &all);
	readers_start(s->readers);
	interrupts_watch(&watch, s->readers);
	run_rounds(s, &shapes[0]);
	interrupts_verdict(&watch, s->rounds * cpumask_weight(&all));
	readers_stop(s->readers);
}

static const struct {
	const char *word;
	void (*fn)(struct suite *s);
} checks[] = {
	{ "shapes", check_shapes }, { "targets", check_counts },
	{ "halted", check_halted }, { "descheduled", check_descheduled },
	{ "sparse", check_sparse }, { "duel", check_duel },
	{ "cr4", check_cr4 },	    { "interrupts", check_interrupts },
};

int suite_flush(void)
{
	struct suite s = { .rounds = cmdline_u64("rounds", 100) };
	struct harness_place place;
	char why[128];

	if (cpu_count() < 2) {
		ktap_skip("flush: one CPU has nobody to flush");
		return ktap_verdict();
	}
	if (!flush_bring_up())
		return ktap_verdict();
	s.readers = kzalloc(sizeof(*s.readers));
	s.readers->arena = arena_create();
	s.own_cpus = !harness_place(HARNESS_OWN_CPU, cpu_count(), &place, why);
	ktap_diag("backend %s, %u CPUs, %s", flush_backend()->name, cpu_count(),
		  s.own_cpus ? "each on its own host CPU" : why);

	for (u32 i = 0; i < ARRAY_SIZE(checks); i++)
		if (cmdline_lists("only", checks[i].word))
			checks[i].fn(&s);
	return ktap_verdict();
}
