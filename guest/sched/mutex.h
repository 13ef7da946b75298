/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lock whose waiters sleep. Thread context, interrupts on, preemption enabled. An
 * object may be freed with its mutex when every mutex_unlock() of it has returned.
 */
#ifndef GUEST_SCHED_MUTEX_H
#define GUEST_SCHED_MUTEX_H

#include "guest/sched/spinlock.h"

struct thread;

struct mutex {
	struct spinlock guard; /* of the two that follow */
	struct thread *owner;
	struct thread *waiters; /* first come, first served, through thread->next_waiter */
};

void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);	/* by its owner */
bool mutex_held(const struct mutex *m); /* by the calling thread */

#endif
