/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From counts to a result. A correct backend must show no stale read among
 * enough checked ones. A negative control (none, kick) must show some, else
 * the check has no teeth here: that is a failure ("no evidence") where teeth
 * are expected, and a skip with its reason where the host has none.
 */
#ifndef GUEST_CONFORM_VERDICT_H
#define GUEST_CONFORM_VERDICT_H

#include "guest/conform/reader.h"
#include "guest/lib/types.h"

/* What the targets of a check do when the flush comes. */
enum target_state {
	TARGETS_RUNNING,   /* each on a host CPU of its own, never leaving the guest */
	TARGETS_SCHEDULED, /* they share host CPUs: exits happen at any time */
	TARGETS_HALTED,
	TARGETS_DESCHEDULED,
};

/*
 * Reports one KTAP result. "deviation" on the command line: the launcher knows that this KVM loses
 * Hyper-V flushes (docs/limits.md); then stale reads of several targets are a skip with their
 * count. `expected` generations, at least one, must have been judged.
 */
void verdict(const char *name, enum target_state state, u32 targets, u64 expected,
	     const struct readers_outcome *out);

/*
 * The same for a check that leaves the flush out on purpose, whatever the backend: it must show
 * stale reads where a check with `none` must.
 */
void verdict_control(const char *name, enum target_state state, u64 expected,
		     const struct readers_outcome *out);

#endif
