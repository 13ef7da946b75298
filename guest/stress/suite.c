/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suite `mm`: the stress of guest/mm. Command line:
 *   backend=NAME  gup=seq|counter|counter-xchg|rcu|irqoff  teardown=batch|fullmm|cr3ref|detach
 *   munmap=waited|posted                when it flushes (mm/held.h)
 *   seed=N  rounds=N  only=LIST of the words in `parts`
 *   backlog=N           tables that may wait (mm/walk.h); 0 has every munmap wait for readers
 *   quarantine=N        freed tables are kept and watched (mm/table.h)
 *   canary              a panic at the end: hardware walks one of those
 *   unsafe-gup-irqoff   irqoff with a flush that it is unsafe with: must be caught
 */
#include "guest/conform/bring_up.h"
#include "guest/flush/flush.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/ktap.h"
#include "guest/lib/string.h"
#include "guest/mm/exit.h"
#include "guest/mm/held.h"
#include "guest/mm/page.h"
#include "guest/mm/table.h"
#include "guest/mm/walk.h"
#include "guest/stress/stress.h"
#include "guest/suites.h"

u64 stress_census(void)
{
	held_drain();
	exit_wait_reaped();
	walk_quiesce();
	table_quarantine_drain();
	return page_free_count();
}

/* False: reported, and there is nothing more to do. */
static bool choose_scheme(struct stress *s)
{
	char name[16] = "seq", word[2];
	bool unsafe = cmdline_get("unsafe-gup-irqoff", word, sizeof(word));
	const char *why_not;

	cmdline_get("gup", name, sizeof(name));
	if (cmdline_get("backlog", word, sizeof(word)))
		walk_set_limit((u32)cmdline_u64("backlog", 0));
	why_not = walk_set_scheme(name, false);
	if (why_not && !strcmp(name, "irqoff")) {
		ktap_ok(flush_backend()->id != HF_BACKEND_IPI, "refused: %s", why_not);
		s->refused = true;
		return unsafe && !walk_set_scheme(name, true);
	}
	return ktap_ok(!why_not, "walk scheme %s%s%s", walk_scheme->name, why_not ? ": " : "",
		       why_not ? why_not : "");
}

static bool choose_exit(void)
{
	char name[16] = "cr3ref";

	cmdline_get("teardown", name, sizeof(name));
	return ktap_ok(exit_set_strategy(name), "exit strategy %s", name);
}

static bool choose_munmap(void)
{
	char name[16] = "waited";

	cmdline_get("munmap", name, sizeof(name));
	return ktap_ok(held_set_munmap(name), "munmap %s", name);
}

static void run_parts(const struct stress *s)
{
	static const struct {
		const char *name;
		void (*run)(const struct stress *s);
	} parts[] = {
		{ "translations", stress_translations },
		{ "interrupts", stress_interrupts },
		{ "trade", stress_trade },
		{ "controls", stress_trade_controls },
		{ "stops", stress_stops },
		{ "lazy", stress_lazy },
		{ "storm", stress_storm },
	};
	char word[8];

	for (u32 i = 0; i < ARRAY_SIZE(parts); i++) {
		if (cmdline_lists("only", parts[i].name))
			parts[i].run(s);
		if (flush_backend()->id == HF_BACKEND_NONE) {
			ktap_skip("the rest: without flushes it would write into freed memory");
			return;
		}
	}
	if (cmdline_get("canary", word, sizeof(word)))
		stress_canary(s);
}

int suite_mm(void)
{
	struct stress s = {
		.seed = cmdline_u64("seed", 1),
		.rounds = cmdline_u64("rounds", 100),
	};

	if (!flush_bring_up())
		return ktap_verdict();
	if (!choose_scheme(&s) || !choose_exit() || !choose_munmap())
		return ktap_verdict();
	exit_start_reaper(0);
	run_parts(&s);
	return ktap_verdict();
}
