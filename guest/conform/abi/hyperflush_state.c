/* SPDX-License-Identifier: BSD-2-Clause */
/* Table `hyperflush`: the state page (docs/abi.md, "State page"). */
#include "guest/conform/abi/hyperflush.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/flush/backend.h"
#include "guest/lib/string.h"

#define EXITS	64u
#define NO_PORT 0x80u /* no device that anybody minds */
#define TRIALS	12u
#define NEAR	64u /* flushes that a check is ready to ask for */

static struct hf_vcpu_state pages[GUEST_MAX_CPUS];

static const char *lacking(void)
{
	return hf_lacks(HF_FEATURE_STATE, "no state page");
}

static u64 flushes(u32 cpu)
{
	return __atomic_load_n(&pages[cpu].flushes, __ATOMIC_ACQUIRE);
}

static u64 set_here(void *arg)
{
	(void)arg;
	wrmsr(HF_MSR_STATE, virt_to_phys(&pages[cpu_id()]) | 1);
	return rdmsr(HF_MSR_STATE);
}

static u64 clear_here(void *arg)
{
	(void)arg;
	wrmsr(HF_MSR_STATE, 0);
	return 0;
}

/* Its next instruction comes after a flush that was asked for before. */
static u64 do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* CPUs 1 and 2 are probes with state pages. */
static bool begin(struct conform *c, struct finding *f)
{
	struct cpumask cpus = { 0 };

	if (!check_has_cpus(2, f))
		return false;
	memset(pages, 0, sizeof(pages));
	cpumask_set(&cpus, 1);
	cpumask_set(&cpus, 2);
	probes_use(c->probes, &cpus);
	for_each_cpu (cpu, &cpus)
		probe_run(c->probes, cpu, set_here, NULL);
	hf_enable();
	return true;
}

static void end(struct conform *c)
{
	probe_run(c->probes, 1, clear_here, NULL);
	probe_run(c->probes, 2, clear_here, NULL);
}

/* A call for CPU 1. False: it was refused. */
static bool call_1(struct conform *c, u64 nr, u32 flags)
{
	struct hf_small small = hf_small(1ull << cpu_by_id(1)->apic_id);

	small.head.flags = flags;
	u64 gpa = request_place(c, PLACE_PAGE, &small, sizeof(small), 0, NULL);

	return !hypercall_hyperflush(nr, gpa, sizeof(small));
}

/* M-STATE-1 */
static void reads_back(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	finding_is(f,
		   hf_msr_keeps(HF_MSR_STATE, virt_to_phys(&pages[0]) | 1) &&
			   hf_msr_keeps(HF_MSR_STATE, 0),
		   "a page, and none");
}

static void bad_value(struct conform *c, const void *row, struct finding *f)
{
	const u64 *bits = row;
	u64 good = virt_to_phys(&pages[0]) | 1;

	wrmsr(HF_MSR_STATE, good);
	msr_write_faults(HF_MSR_STATE, *bits ? virt_to_phys(&pages[1]) | *bits : c->edge.beyond | 1,
			 f);
	if (rdmsr(HF_MSR_STATE) != good)
		finding_fail(f, "a refused write has changed the MSR");
	wrmsr(HF_MSR_STATE, 0);
}

static void each_its_own(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	if (!begin(c, f))
		return;
	u64 one = probe_run(c->probes, 1, set_here, NULL);
	u64 two = probe_run(c->probes, 2, set_here, NULL);

	finding_is(f,
		   one == (virt_to_phys(&pages[1]) | 1) && two == (virt_to_phys(&pages[2]) | 1) &&
			   !rdmsr(HF_MSR_STATE),
		   "%#llx, %#llx, and none here", (unsigned long long)one, (unsigned long long)two);
	end(c);
}

/* M-STATE-3: has moved on when the target executes again. Compared by difference: it may wrap. */
static void counts_flushes(struct conform *c, const void *row, struct finding *f)
{
	const u64 *flags = row;

	if (!begin(c, f))
		return;
	for (u32 i = 1; i <= TRIALS; i++) {
		u64 before = flushes(1);
		bool served = call_1(c, HF_CALL_FLUSH, (u32)*flags);

		probe_run(c->probes, 1, do_nothing, NULL);
		s64 moved = (s64)(flushes(1) - before);

		finding_is(f, served && moved > 0, "flush %u: moved on by %lld", i,
			   (long long)moved);
		if (f->outcome != OUTCOME_PASSED)
			break;
	}
	end(c);
}

static void counts_own(struct conform *c, const void *row, struct finding *f)
{
	struct hf_small self = hf_small(1ull << cpu_by_id(0)->apic_id);
	u64 before;

	(void)row;
	hf_enable();
	set_here(NULL);
	before = flushes(0);
	u64 gpa = request_place(c, PLACE_PAGE, &self, sizeof(self), 0, f);
	u64 result = hypercall_hyperflush(HF_CALL_FLUSH, gpa, sizeof(self));
	s64 moved = (s64)(flushes(0) - before);

	finding_is(f, !result && moved > 0, "moved on by %lld", (long long)moved);
	clear_here(NULL);
}

/*
 * The whole way over the wrap, if that is not far: told by a flush each. Compared by signed
 * difference, as every guest must.
 */
static void count_wraps(struct conform *c, const void *row, struct finding *f)
{
	u32 asked = 0;

	(void)row;
	if (!begin(c, f))
		return;
	u64 first = flushes(1);

	if (-first - 1 >= NEAR) { /* 0 is a whole turn away */
		finding_skip(f, "the count is at %#llx, too far from wrapping",
			     (unsigned long long)first);
		end(c);
		return;
	}
	for (s64 moved = 1; asked < 2 * NEAR && flushes(1) >= first && moved > 0; asked++) {
		u64 before = flushes(1);

		call_1(c, HF_CALL_FLUSH, 0);
		probe_run(c->probes, 1, do_nothing, NULL);
		moved = (s64)(flushes(1) - before);
	}
	finding_is(f, flushes(1) < NEAR, "from %#llx to %#llx in %u flushes",
		   (unsigned long long)first, (unsigned long long)flushes(1), asked);
	end(c);
}

static u64 exit_often(void *arg)
{
	(void)arg;
	for (u32 i = 0; i < EXITS; i++)
		(void)inb(NO_PORT);
	return 0;
}

enum event { EVENT_EXITS, EVENT_FENCE, EVENT_REFUSED };

static void happen(struct conform *c, enum event event)
{
	if (event == EVENT_EXITS)
		probe_run(c->probes, 1, exit_often, NULL);
	else if (event == EVENT_FENCE)
		call_1(c, HF_CALL_FENCE, 0);
	else
		call_1(c, HF_CALL_FLUSH, 1u << 1);
}

/* M-STATE-3: a count that moves on without a flush is a flush that somebody goes without. */
static void counts_nothing_else(struct conform *c, const void *row, struct finding *f)
{
	const u64 *event = row;
	u32 moved = 0;

	if (!begin(c, f))
		return;
	for (u32 i = 1; i <= TRIALS; i++) {
		probes_arm(c->probes);
		u64 before = flushes(1);

		happen(c, (enum event) * event);
		probe_run(c->probes, 1, do_nothing, NULL);
		bool now = flushes(1) != before;

		probes_look(c->probes, PROBE_ALL, NULL);
		moved += now;
		if (!now || !probe_stale(c->probes, 1))
			continue;
		finding_fail(f, "trial %u: moved on, and the CPU is stale", i);
		end(c);
		return;
	}
	finding_is(f, !moved, "moved on in %u of %u trials without a flush that was asked for",
		   moved, TRIALS);
	end(c);
}

/* How often this CPU, which executes, finds that it does not. */
static u64 count_not_in_run(void *arg)
{
	const struct hf_vcpu_state *page = &pages[cpu_id()];
	u64 not_in_run = 0;

	(void)arg;
	for (u32 i = 0; i < EXITS; i++) {
		(void)inb(NO_PORT);
		not_in_run += __atomic_load_n(&page->in_run, __ATOMIC_RELAXED) != 1;
	}
	return not_in_run;
}

/* M-STATE-2 */
static void in_run(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	if (!begin(c, f))
		return;
	set_here(NULL);
	(void)inb(NO_PORT); /* the page counts from the next entry on */
	u64 here = count_not_in_run(NULL), there = probe_run(c->probes, 1, count_not_in_run, NULL);

	finding_is(f, !here && !there, "%u looks on each of two CPUs, %llu and %llu say no", EXITS,
		   (unsigned long long)here, (unsigned long long)there);
	clear_here(NULL);
	end(c);
}

static void removed(struct conform *c, const void *row, struct finding *f)
{
	struct hf_vcpu_state before;

	(void)row;
	if (!begin(c, f))
		return;
	probe_run(c->probes, 1, clear_here, NULL);
	pages[1].flushes = 0x1234;
	pages[1].in_run = 0x5678;
	before = pages[1];
	call_1(c, HF_CALL_FLUSH, 0);
	probe_run(c->probes, 1, exit_often, NULL);
	finding_is(f, !memcmp(&before, &pages[1], sizeof(before)), "nothing is written to it");
	end(c);
}

static const struct check checks[] = {
	HF_PLAIN("state.count-wraps", count_wraps), /* first: others add to the count */
	HF_PLAIN("state.msr-reads-back", reads_back),
	HF_VALUE("state.msr-unaligned", bad_value, 0x21),
	HF_VALUE("state.msr-not-enabled", bad_value, 2),
	HF_VALUE("state.msr-beyond-ram", bad_value, 0),
	HF_PLAIN("state.each-its-own", each_its_own),
	HF_VALUE("state.counts-flushes", counts_flushes, 0),
	HF_VALUE("state.counts-strong-flushes", counts_flushes, HF_FLUSH_STRONG),
	HF_PLAIN("state.counts-own-flush", counts_own),
	HF_VALUE("state.exits-do-not-count", counts_nothing_else, EVENT_EXITS),
	HF_VALUE("state.fences-do-not-count", counts_nothing_else, EVENT_FENCE),
	HF_VALUE("state.refused-do-not-count", counts_nothing_else, EVENT_REFUSED),
	HF_PLAIN("state.in-run", in_run),
	HF_PLAIN("state.removed-is-left-alone", removed),
};

const struct check_table conform_hyperflush_state = {
	.abi = "hyperflush",
	.lacking = lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
