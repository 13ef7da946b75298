/* SPDX-License-Identifier: BSD-2-Clause */
/* Trades with walks that are complete, and with walks that must not pass. */
#include "guest/cpu/percpu.h"
#include "guest/flush/flush.h"
#include "guest/lib/harness.h"
#include "guest/lib/ktap.h"
#include "guest/mm/walk.h"
#include "guest/stress/findings.h"
#include "guest/stress/stops.h"
#include "guest/stress/stress.h"
#include "guest/stress/trade.h"

#define STOP_SHORTEST_US 100u
#define STOP_LONGEST_US	 3000u /* many changes */
#define STOPPED_ROUNDS	 20u   /* a change takes much less than a stop */

static void show(const struct trade_counts *t, const struct hooked_counts *c)
{
	ktap_diag("%lu changes, %lu met, %lu collapses, %lu tables handed over; %lu walks, %lu "
		  "held up, %lu of them overtaken; %lu pages pinned; out of memory %lu times",
		  t->changes, t->met, t->collapses, t->hand_overs, t->walks, c->held, c->overtaken,
		  t->pinned, t->no_memory);
	findings_show();
}

static void check_census(u64 free)
{
	u64 now = stress_census();

	ktap_ok(now == free, "census: %lu pages are free again of %lu", now, free);
}

/* A walk that is complete. */
static void check_complete(const struct stress *s, enum hooked_id form, bool collapsing)
{
	struct trade_plan plan = {
		.seed = s->seed, .rounds = s->rounds, .form = form, .collapse = collapsing
	};
	u64 free = stress_census(), bait;
	struct hooked_counts c;
	struct trade_counts t;

	trade_hold(&plan, &t);
	hooked_counts(&c);
	show(&t, &c);
	ktap_ok(!findings_all(), "%u findings in %lu walks", findings_all(), t.walks);
	bait = collapsing ? t.collapses : t.hand_overs;
	ktap_ok(c.overtaken && bait, "%lu walks were overtaken, %lu tables %s%s", c.overtaken, bait,
		collapsing ? "collapsed" : "handed over",
		c.overtaken && bait ? "" : ": no evidence");
	check_census(free);
	if (form == HOOKED_IRQOFF)
		ktap_ok(c.masked == c.steps, "control: interrupts are off at each step");
	else
		ktap_ok(!c.masked, "interrupts were on at each of %lu steps", c.steps);
}

/* A walk that must not pass. */
static void check_caught(const struct stress *s, enum hooked_id form, bool collapsing,
			 enum finding kind, const char *what)
{
	struct trade_plan plan = { .seed = s->seed,
				   .rounds = 20 * s->rounds,
				   .form = form,
				   .collapse = collapsing,
				   .until_found = true };
	struct hooked_counts c;
	struct trade_counts t;
	u32 caught;

	trade_hold(&plan, &t);
	hooked_counts(&c);
	show(&t, &c);
	caught = kind == FINDING_COUNT ? findings_all() : findings_of(kind);
	ktap_ok(caught, "control, %s: caught %u times in %lu walks%s", what, caught, t.walks,
		caught ? "" : ": no evidence");
	stress_census();
}

static bool can_trade(void)
{
	if (cpu_count() < 4)
		ktap_skip("trade: it needs 4 CPUs");
	return cpu_count() >= 4;
}

/* The kvm flush passes over a vCPU only while the host has it off its CPU. */
static bool place_for_kvm(void)
{
	struct harness_place place;
	char why[128];

	if (flush_backend()->id != HF_BACKEND_KVM)
		return true;
	if (!harness_place(HARNESS_OVERCOMMITTED, cpu_count(), &place, why))
		return true;
	ktap_skip("irqoff with kvm: no vCPU is taken off its CPU here: %s", why);
	return false;
}

void stress_trade(const struct stress *s)
{
	enum hooked_id form = hooked_scheme(walk_scheme->name);

	if (!can_trade())
		return;
	if (s->refused) {
		if (place_for_kvm())
			check_caught(s, form, false, FINDING_COUNT,
				     "irqoff without interrupts that wait for it");
		return;
	}
	ktap_begin("trade of pages");
	check_complete(s, form, false);
	ktap_end();
	ktap_begin("trade with collapse");
	check_complete(s, form, true);
	ktap_end();
}

void stress_trade_controls(const struct stress *s)
{
	if (s->refused || !can_trade())
		return;
	ktap_begin("trade, walks that lack a check");
	check_caught(s, HOOKED_WITHOUT_V, false, FOUND_GARBAGE, "seq without V");
	check_caught(s, HOOKED_WITHOUT_R1, false, FOUND_FOREIGN, "seq without R1");
	check_caught(s, HOOKED_WITHOUT_R2, true, FINDING_COUNT, "seq without R2");
	ktap_end();
}

/* `free`: pages before. False: reported, as a skip. */
static bool hold_stopped(const struct trade_plan *plan, u64 *free, struct trade_counts *t,
			 struct harness_stops *stops)
{
	char why[128];

	if (!stops_begin(0, cpu_count(), STOP_SHORTEST_US, STOP_LONGEST_US, why)) {
		ktap_skip("vCPUs that the host stops: %s", why);
		return false;
	}
	*free = stress_census(); /* after the harness has its page */
	trade_hold(plan, t);
	*stops = stops_end();
	ktap_diag("%lu changes, %lu tables handed over; %lu walks, %lu pages pinned; out of memory "
		  "%lu times",
		  t->changes, t->hand_overs, t->walks, t->pinned, t->no_memory);
	findings_show();
	return true;
}

static void check_stopped(const struct stress *s)
{
	struct trade_plan plan = { .seed = s->seed,
				   .rounds = STOPPED_ROUNDS * s->rounds,
				   .form = HOOKED_COUNT,
				   .stopped = true };
	struct harness_stops stops;
	struct trade_counts t;
	bool evidence;
	u64 free;

	if (!hold_stopped(&plan, &free, &t, &stops))
		return;
	evidence = stops.inside && t.overtaken && t.hand_overs;
	ktap_ok(!findings_all(), "%u findings in %lu walks", findings_all(), t.walks);
	ktap_ok(evidence,
		"%lu stops, %lu of them inside gup_fast; %lu walks were overtaken, %lu tables "
		"handed over%s",
		stops.stops, stops.inside, t.overtaken, t.hand_overs,
		evidence ? "" : ": no evidence");
	check_census(free);
}

/* The walk does nothing against it, and no hook holds it up: only the host does. */
static void check_stopped_caught(const struct stress *s, enum hooked_id form, const char *what)
{
	struct trade_plan plan = { .seed = s->seed,
				   .rounds = 10ul * STOPPED_ROUNDS * s->rounds,
				   .form = form,
				   .stopped = true,
				   .until_found = true };
	struct harness_stops stops;
	struct trade_counts t;
	u64 free;

	if (hold_stopped(&plan, &free, &t, &stops))
		ktap_ok(findings_all(), "control, %s: caught after %lu stops, %lu inside%s", what,
			stops.stops, stops.inside, findings_all() ? "" : ": no evidence");
	stress_census();
}

void stress_stops(const struct stress *s)
{
	if (!can_trade())
		return;
	ktap_begin("trade, vCPUs stopped by the host");
	if (s->refused) {
		check_stopped_caught(s, HOOKED_IRQOFF,
				     "irqoff without interrupts that wait for it");
	} else {
		check_stopped(s);
		/* Where tables wait for walkers, V is not missed. */
		if (!walk_scheme->defers)
			check_stopped_caught(s, HOOKED_WITHOUT_V, "seq without V");
	}
	ktap_end();
}
