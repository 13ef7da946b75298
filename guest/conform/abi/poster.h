/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring of the hyperflush ABI, as its guest: what is posted may be wrong on purpose. */
#ifndef GUEST_CONFORM_ABI_POSTER_H
#define GUEST_CONFORM_ABI_POSTER_H

#include "guest/conform/abi/hyperflush.h"

#define POSTER_UNTOLD 0x5a5a5a5a /* status of an entry that the host has not judged */

struct poster {
	struct hf_ring *ring; /* a page */
	u32 tail;
	/* For poster_make(): what it posts. */
	const void *bytes;
	size_t len;
	u32 length;
};

/* A page without a meaning yet. */
void poster_init(struct poster *p);

/* The page becomes the calling vCPU's ring, empty and at that index. False: #GP. */
bool poster_register(struct poster *p, u32 tail);

/* Fills the `ahead`-th slot from the tail; `length` is what the entry says of the request. */
void poster_fill(struct poster *p, u32 ahead, const void *bytes, size_t len, u32 length);

/* `count` entries more are posted; rings the doorbell if the host wants it. True: it did. */
bool poster_push(struct poster *p, u32 count);

void poster_doorbell(void);

/* Waits until all that is posted is complete. NULL, or what came instead, within a second. */
const char *poster_wait(const struct poster *p);

/* Status of the `back`-th last entry; 1 is the last one. */
s32 poster_status(const struct poster *p, u32 back);

/* A struct attempt's make(): posts, waits, and puts the status into RAX. `arg` is the poster. */
const char *poster_make(struct raw_call *call, void *arg);

#endif
