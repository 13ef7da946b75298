/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/selftest/selftest.h"
#include "guest/suites.h"

int suite_boot(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} part[] = {
		{ "cpus", selftest_cpus },	 { "ipis", selftest_ipis },
		{ "tick", selftest_tick },	 { "traps", selftest_traps },
		{ "memory", selftest_memory },	 { "paging", selftest_paging },
		{ "threads", selftest_threads },
	};

	ktap_plan(ARRAY_SIZE(part));
	for (u32 i = 0; i < ARRAY_SIZE(part); i++) {
		ktap_begin(part[i].name);
		part[i].run();
		ktap_end();
	}
	return ktap_verdict();
}

int suite_panic(void)
{
	panic("asked for by suite=panic");
}
