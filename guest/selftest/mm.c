/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suite `mm-boot`: the parts of guest/mm one by one, before its stress tests trust
 * them. Command line: backend=NAME; `none` is the negative control.
 */
#include "guest/conform/bring_up.h"
#include "guest/flush/flush.h"
#include "guest/lib/ktap.h"
#include "guest/selftest/selftest.h"
#include "guest/suites.h"

#define CONTROL_TRIES 50u

static bool is_control(void)
{
	enum hf_backend id = flush_backend()->id;

	return id == HF_BACKEND_NONE || id == HF_BACKEND_KICK;
}

bool selftest_again(u64 stale, u32 *tries)
{
	return ++*tries < CONTROL_TRIES && is_control() && !stale;
}

void selftest_stale(u64 stale, u64 checked, const char *what)
{
	if (is_control())
		ktap_ok(stale > 0, "%s: control, %lu stale of %lu%s", what, stale, checked,
			stale ? "" : ": no evidence");
	else
		ktap_ok(!stale, "%s: %lu stale of %lu", what, stale, checked);
}

int suite_mm_boot(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} part[] = {
		{ "mutex", selftest_mutex },
		{ "roots", selftest_roots },
		{ "PCIDs", selftest_pcid },
		{ "exit", selftest_exit },
		{ "flush clock", selftest_flush_clock },
		{ "vmap", selftest_vmap },
		{ "kernel ranges", selftest_kernel_range },
	};

	if (!flush_bring_up())
		return ktap_verdict();
	ktap_plan(ARRAY_SIZE(part));
	for (u32 i = 0; i < ARRAY_SIZE(part); i++) {
		ktap_begin(part[i].name);
		part[i].run();
		ktap_end();
	}
	return ktap_verdict();
}
