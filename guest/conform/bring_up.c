/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/bring_up.h"

#include "guest/cpu/percpu.h"
#include "guest/flush/flush.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/ktap.h"
#include "guest/sched/thread.h"

static void prepare_cpu(void *unused)
{
	(void)unused;
	flush_init_cpu();
}

/* Picks the backend and makes every CPU ready to be a target. False: reported as failed or skipped.
 */
bool flush_bring_up(void)
{
	char name[32] = "auto";

	cmdline_get("backend", name, sizeof(name));
	const char *why_not = flush_init(name);

	if (why_not) {
		ktap_skip("backend %s: %s", name, why_not);
		return false;
	}
	for (u32 c = 1; c < cpu_count(); c++)
		thread_join(thread_create("flush-init", c, prepare_cpu, NULL));
	return true;
}
