/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two processes at the same address, each with a CPU that changes its tables and one that
 * walks them. Without `collapse` memory is a stack of a few pages: what one frees, table
 * or page, the other has next, and it comes back in the same place (ABA). With it, tables
 * leave their place and keep their contents.
 */
#ifndef GUEST_STRESS_TRADE_H
#define GUEST_STRESS_TRADE_H

#include "guest/stress/hooked.h"

struct trade_plan {
	u64 seed;
	u64 rounds; /* changes by each side; more, up to a bound, until something was at stake */
	enum hooked_id
		form; /* of the walk; HOOKED_COUNT: gup_fast_only() as it is, `stopped` only */
	bool collapse;
	bool stopped; /* the host holds walks up, between stops_begin() and stops_end(); else the
			 hooks */
	bool until_found; /* ends with the first finding */
};

struct trade_counts {
	u64 changes, met, collapses;
	u64 hand_overs; /* tables that were the other side's before */
	u64 no_memory;
	u64 walks;
	u64 overtaken; /* of them: something was changed in their own mm meanwhile */
	u64 pinned;    /* pages */
};

/* 4 CPUs; ticks stopped. What was found: findings.h. */
void trade_hold(const struct trade_plan *plan, struct trade_counts *out);

#endif
