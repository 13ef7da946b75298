/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared page of program `relay`. */
#ifndef GUEST_USER_RELAY_H
#define GUEST_USER_RELAY_H

#include "guest/lib/types.h"

/* How the leader takes the page away that the others have in their TLBs. */
#define RELAY_WAYS(X)           \
	X(UNMAP, "munmap")      \
	X(DONTNEED, "dontneed") \
	X(MOVE, "mremap")       \
	X(COW, "copy-on-write after fork")

enum relay_way {
#define RELAY_ENUM(id, name) RELAY_##id,
	RELAY_WAYS(RELAY_ENUM)
#undef RELAY_ENUM
		RELAY_WAY_COUNT
};

struct relay {
	u64 members; /* threads; set before they start, as the next two */
	u64 rounds;
	u64 way;
	u64 joined;	/* so many have an index; 0 leads */
	u64 page;	/* where the page is in this generation */
	u64 generation; /* what it holds; published last */
	u64 seen;	/* acknowledgements of this generation */
	u64 stale;	/* reads that gave something else */
	u64 checked;
};

#endif
