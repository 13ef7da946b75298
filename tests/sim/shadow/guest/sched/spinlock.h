/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands for guest/sched/spinlock.h: a CPU that waits is not scheduled until the lock is free. */
#ifndef GUEST_SCHED_SPINLOCK_H
#define GUEST_SCHED_SPINLOCK_H

#include "guest/cpu/irq.h"
#include "guest/cpu/memory.h"
#include "guest/lib/types.h"

struct spinlock {
	bool held;
};

#define SPINLOCK_INIT \
	{             \
		false \
	}

#define SIM_SPIN(name, l) SIM_AT(#name "(" #l ")", sim_##name(sim_site, l))

bool sim_spin_trylock(const struct sim_site *site, struct spinlock *l);
void sim_spin_lock(const struct sim_site *site, struct spinlock *l);
void sim_spin_unlock(const struct sim_site *site, struct spinlock *l);
bool sim_spin_lock_irq(const struct sim_site *site, struct spinlock *l);

#define spin_trylock(l)	 SIM_SPIN(spin_trylock, l)
#define spin_lock(l)	 SIM_SPIN(spin_lock, l)
#define spin_unlock(l)	 SIM_SPIN(spin_unlock, l)
#define spin_lock_irq(l) SIM_SPIN(spin_lock_irq, l)
#define spin_unlock_irq(l, was)   \
	do {                      \
		spin_unlock(l);   \
		irq_restore(was); \
	} while (0)

#endif
