/* SPDX-License-Identifier: BSD-2-Clause */
/* What the threads of a process under stress do, one operation at a time. */
#ifndef GUEST_STRESS_WORKER_H
#define GUEST_STRESS_WORKER_H

#include "guest/stress/process.h"

/* X(id, "name", weight) of 256 */
#define OPERATIONS(X)               \
	X(FILL, "map", 10)          \
	X(RENEW, "renew", 14)       \
	X(DROP, "dontneed", 8)      \
	X(MOVE, "remap", 8)         \
	X(EMPTY, "unmap", 5)        \
	X(PROTECT, "protect", 8)    \
	X(WRITE, "write", 40)       \
	X(VERIFY, "verify", 32)     \
	X(LOOK, "look", 58)         \
	X(MARK, "pin and mark", 32) \
	X(GHOST, "ghost", 8)        \
	X(TRESPASS, "trespass", 10) \
	X(COLLAPSE, "collapse", 4)  \
	X(FORK, "fork", 6)          \
	X(WALK, "walk", 13)

enum operation {
#define OPERATION_ENUM(id, name, weight) OP_##id,
	OPERATIONS(OPERATION_ENUM)
#undef OPERATION_ENUM
		OPERATION_COUNT
};

struct worker {
	struct process *process, *other;
	u32 area; /* whose keeper it is; AREAS: of none */
	u64 random;
	u64 rounds;
	u32 serial;
	u64 done[OPERATION_COUNT]; /* with effect, or a check that has checked something */
	struct thread *thread;
};

/* The thread; `arg` is its struct worker. Uses the process's mm, of which it has a user's
 * reference, until it ends. */
void worker_main(void *arg);

/* Changes what its area maps, if somebody waits for that. */
void worker_oblige(struct worker *w);

/* The operations, by who may: keeper.c, anybody.c. True: it has done or checked something. */
bool keeper_fill(struct worker *w);
bool keeper_renew(struct worker *w);
bool keeper_drop(struct worker *w);
bool keeper_move(struct worker *w);
bool keeper_empty(struct worker *w);
bool keeper_protect(struct worker *w);
bool keeper_write(struct worker *w);
bool keeper_verify(struct worker *w);
bool anybody_look(struct worker *w);
bool anybody_mark(struct worker *w);
bool anybody_ghost(struct worker *w);
bool anybody_trespass(struct worker *w);
bool anybody_collapse(struct worker *w);
bool anybody_fork(struct worker *w);
bool anybody_walk(struct worker *w);

/*
 * Accesses by the hardware that fault pages in as user mode would. 0, or what
 * mm_fault() said; -EAGAIN: the page goes as fast as it comes.
 */
int user_read(struct mm *mm, u64 va, u64 *value);
int user_write(struct mm *mm, u64 va, u64 value);

#endif
