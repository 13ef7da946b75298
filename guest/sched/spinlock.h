/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Test-and-set locks. Not fair, on purpose: with tickets the lock waits for the one CPU whose
 * turn it is, which a hypervisor may have descheduled. A lock taken in interrupt handlers
 * is taken with spin_lock_irq() everywhere; the others with preemption
 * disabled or by spin_lock_irq() too. They do not nest with themselves.
 */
#ifndef GUEST_SCHED_SPINLOCK_H
#define GUEST_SCHED_SPINLOCK_H

#include "guest/cpu/irq.h"
#include "guest/lib/types.h"

struct spinlock {
	bool held;
};

#define SPINLOCK_INIT \
	{             \
		false \
	}

/* Takes the lock only if nobody has it. */
static inline bool spin_trylock(struct spinlock *l)
{
	return !__atomic_exchange_n(&l->held, true, __ATOMIC_ACQUIRE);
}

static inline void spin_lock(struct spinlock *l)
{
	u32 polls = 0;

	while (!spin_trylock(l)) {
		while (__atomic_load_n(&l->held, __ATOMIC_RELAXED))
			cpu_poll(&polls);
	}
}

static inline void spin_unlock(struct spinlock *l)
{
	__atomic_store_n(&l->held, false, __ATOMIC_RELEASE);
}

/* The same with interrupts disabled meanwhile; the result goes to spin_unlock_irq(). */
static inline bool spin_lock_irq(struct spinlock *l)
{
	bool was = irq_save();

	spin_lock(l);
	return was;
}

static inline void spin_unlock_irq(struct spinlock *l, bool was)
{
	spin_unlock(l);
	irq_restore(was);
}

#endif
