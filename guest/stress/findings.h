/* SPDX-License-Identifier: BSD-2-Clause */
/* What the stress found wrong, from any CPU; the suite's thread reports it. */
#ifndef GUEST_STRESS_FINDINGS_H
#define GUEST_STRESS_FINDINGS_H

#include "guest/lib/types.h"

/* X(id, "what it is") */
#define FINDINGS(X)                                                      \
	X(FOREIGN, "page of another address space, or of another place") \
	X(STALE, "page of an earlier generation")                        \
	X(GHOST, "translation of an address where nothing is mapped")    \
	X(TRESPASS, "write to a read-only page")                         \
	X(LOST, "a mapping, or what was written there, is gone")         \
	X(PARTED, "pinned page that is not the mapped one any more")     \
	X(GARBAGE, "entry followed that was read from a page that is no table")

enum finding {
#define FINDING_ENUM(id, name) FOUND_##id,
	FINDINGS(FINDING_ENUM)
#undef FINDING_ENUM
		FINDING_COUNT
};

/* Counts it; the first one of its kind is kept with its values. Any context. */
void finding(enum finding kind, u64 va, u64 expected, u64 found);

void findings_reset(void);
u32 findings_of(enum finding kind);
u32 findings_all(void);

/* A diagnostic line for each kind that was found. */
void findings_show(void);

#endif
