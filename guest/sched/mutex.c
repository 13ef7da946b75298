/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/sched/mutex.h"

#include "guest/cpu/memory.h"
#include "guest/lib/print.h"
#include "guest/sched/thread.h"

static void append(struct mutex *m, struct thread *t)
{
	struct thread **at = &m->waiters;

	while (*at)
		at = &(*at)->next_waiter;
	t->next_waiter = NULL;
	*at = t;
}

/* True: the lock was free and is ours. Else the caller is in the queue. */
static bool take_or_queue(struct mutex *m, struct thread *self)
{
	bool was = spin_lock_irq(&m->guard), taken = !m->owner;

	ASSERT(m->owner != self);
	if (taken)
		mem_store(&m->owner, self);
	else
		append(m, self);
	spin_unlock_irq(&m->guard, was);
	return taken;
}

/*
 * The lock is handed over: whoever finds itself the owner has left the queue. A
 * wake-up that comes before thread_block() makes that return at once.
 */
void mutex_lock(struct mutex *m)
{
	struct thread *self = thread_current();

	ASSERT(irq_enabled() && this_cpu()->preempt_count == 0);
	if (take_or_queue(m, self))
		return;
	while (mem_load(&m->owner) != self)
		thread_block();
}

/*
 * The next owner is woken under the guard: it might find out by itself, run and
 * end, but not before its own unlock, which needs the guard.
 */
void mutex_unlock(struct mutex *m)
{
	bool was = spin_lock_irq(&m->guard);
	struct thread *next = m->waiters;

	ASSERT(m->owner == thread_current());
	if (next)
		m->waiters = next->next_waiter;
	mem_store(&m->owner, next); /* pairs with mutex_lock(): what we wrote before is visible */
	if (next)
		thread_wake(next);
	spin_unlock_irq(&m->guard, was);
}

bool mutex_held(const struct mutex *m)
{
	return mem_load(&m->owner) == thread_current();
}
