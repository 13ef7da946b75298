/* SPDX-License-Identifier: BSD-2-Clause */
/* Two initiators that flush each other at the same time, each also the other's reader. */
#ifndef GUEST_CONFORM_DUEL_H
#define GUEST_CONFORM_DUEL_H

#include "guest/conform/reader.h"

/* Returns when the request is done. Preemption is off. */
typedef void duel_flush(const struct flush_request *req);

/*
 * CPU 0 (the caller's) against CPU 1, `rounds` generations each way. Nobody
 * waits with interrupts off, so IPI backends cannot deadlock; a backend that
 * blocks one initiator on the other would hang here.
 */
struct readers_outcome duel(struct arena *arena, u64 rounds, duel_flush *flush);

#endif
