/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suite `user`: programs in ring 3, on all CPUs. After each part every page is free again.
 *
 * Command line: backend=NAME as for suite `flush`, with `none` and `kick` as controls, for which
 * only relay runs; teardown=NAME, walk=NAME and munmap=NAME, strategies of mm/exit.h, mm/walk.h and
 * mm/held.h; rounds=N scales the work; only=LIST of the words in `parts`; `panic`: a panic at the
 * end, while programs are in ring 3 on the other CPUs.
 */
#include "guest/user/suite.h"

#include "guest/conform/bring_up.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/flush.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/ktap.h"
#include "guest/mm/exit.h"
#include "guest/mm/held.h"
#include "guest/mm/page.h"
#include "guest/mm/walk.h"
#include "guest/suites.h"
#include "guest/user/launch.h"

static const struct part {
	const char *name;
	void (*run)(u64 rounds);
	u64 rounds;    /* unless the command line says otherwise */
	bool controls; /* runs without flushes too: it checks them and nothing else */
} parts[] = {
	{ "touch", check_touch, 2, false },   { "relay", check_relay, 50, true },
	{ "churn", check_churn, 300, false }, { "forks", check_forks, 2, false },
	{ "pins", check_pins, 6, false },     { "hostile", check_hostile, 1, false },
	{ "fuzz", check_fuzz, 24, false },    { "kill", check_kill, 1, false },
	{ "memory", check_memory, 1, false },
};

bool suite_is_control(void)
{
	enum hf_backend id = flush_backend()->id;

	return id == HF_BACKEND_NONE || id == HF_BACKEND_KICK;
}

static void leave_lazy(void *unused)
{
	(void)unused;
	exit_leave_root();
}

static void run_part(const struct part *p)
{
	u64 before = page_free_count();

	p->run(cmdline_u64("rounds", p->rounds));
	run_everywhere(leave_lazy);
	held_drain();
	exit_wait_reaped();
	walk_quiesce();
	ktap_ok(page_free_count() == before, "%llu pages free, %llu before",
		(unsigned long long)page_free_count(), (unsigned long long)before);
}

static bool sane;

/* What a program must not have changed on its CPU. */
static void check_cpu(void *unused)
{
	(void)unused;
	sane &= rdmsr(MSR_GS_BASE) == (u64)this_cpu() && rdmsr(MSR_KERNEL_GS_BASE) == 0 &&
		this_cpu()->self == this_cpu() && read_cr0() & CR0_EM && read_cr0() & CR0_WP &&
		!(rdmsr(MSR_EFER) & 1) && irq_enabled();
}

/* False: reported as failed. */
static bool set_strategies(void)
{
	char name[16];
	const char *why_not;

	if (cmdline_get("teardown", name, sizeof(name)) && !exit_set_strategy(name))
		return ktap_ok(false, "teardown=%s: no such strategy", name);
	if (cmdline_get("munmap", name, sizeof(name)) && !held_set_munmap(name))
		return ktap_ok(false, "munmap=%s: no such way", name);
	if (!cmdline_get("walk", name, sizeof(name)))
		return true;
	why_not = walk_set_scheme(name, false);
	return !why_not || ktap_ok(false, "walk=%s: %s", name, why_not);
}

int suite_user(void)
{
	char word[8];

	if (!flush_bring_up() || !set_strategies())
		return ktap_verdict();
	for (u32 i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!cmdline_lists("only", parts[i].name) ||
		    (suite_is_control() && !parts[i].controls))
			continue;
		ktap_begin(parts[i].name);
		run_part(&parts[i]);
		ktap_end();
	}
	sane = true;
	run_everywhere(check_cpu);
	ktap_ok(sane, "every CPU's GS bases, CR0 and EFER are as the kernel has set them");
	if (cmdline_get("panic", word, sizeof(word)))
		panic_among_programs();
	return ktap_verdict();
}
