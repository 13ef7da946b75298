/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Readers: threads on other CPUs that read through the arena without leaving
 * the guest, and find out whether a flush that was said to be done was done.
 *
 * Protocol, one generation at a time:
 *   initiator: stamp frames, store entries, flush, publish the generation
 *   reader:    read the published generation, then the slots; a slot that
 *              holds less is stale. Then acknowledge the generation.
 * The initiator waits for the acknowledgements before the next generation, so
 * a reader has always used the entry that the next generation replaces.
 */
#ifndef GUEST_CONFORM_READER_H
#define GUEST_CONFORM_READER_H

#include "guest/conform/arena.h"
#include "guest/flush/flush.h"
#include "guest/sched/thread.h"

enum reader_mode {
	READER_SPIN, /* read all the time */
	READER_HALT, /* sleep in HLT between generations */
};

struct reader {
	_Alignas(CACHE_LINE) u64 acknowledged; /* generation; written by the reader */
	u64 halting;			       /* generation before which it went to halt */
	u64 checked;			       /* generations judged */
	u64 stale;			       /* of them with a stale slot */
	u64 cr4_changes;
	struct thread *thread;
};

struct readers {
	struct arena *arena;
	enum reader_mode mode;
	bool watch_cr4; /* compare CR4 at every generation (the read may leave the guest) */
	u32 first_slot, slots;
	u64 entry_flags; /* for arena_map() */
	struct cpumask cpus;
	_Alignas(CACHE_LINE) u64 published; /* generation; READERS_STOP ends the threads */
	struct reader reader[GUEST_MAX_CPUS];
};

#define READERS_STOP UINT64_MAX

/*
 * Starts a reader on each CPU of `cpus` (not the caller's) and returns when
 * all have read generation 1. Everything but `arena`, `mode`, `watch_cr4`,
 * slots, flags and `cpus` is set here.
 */
void readers_start(struct readers *r);

/* Changes the slots' entries on all readers' roots to that generation's. Flushes nothing. */
void readers_prepare(struct readers *r, u64 generation);

/* Says that the flush for that generation is done. */
void readers_publish(struct readers *r, u64 generation);

/* Waits until every reader has judged the generation; wakes halted ones. */
void readers_wait(struct readers *r, u64 generation);

/* Sends each reader one VECTOR_TEST interrupt, one after the other; returns when all have come. */
void readers_interrupt(struct readers *r);

/* In mode HALT: waits until every reader has gone to halt after `generation` and, where the host
 * can tell, sleeps. */
void readers_wait_halted(struct readers *r, u64 generation);

struct readers_outcome {
	u64 checked, stale, cr4_changes;
};

/* Ends the threads and sums up. */
struct readers_outcome readers_stop(struct readers *r);

#endif
