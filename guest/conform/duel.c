/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/duel.h"

#include "guest/cpu/msr.h"
#include "guest/cpu/tlb.h"
#include "guest/mm/pgtable.h"

/* Side i runs on CPU i and changes slot i in the other's root; the other reads it there. */
struct duellist {
	_Alignas(CACHE_LINE) u64 published; /* by this side: generation of slot `side` */
	u64 acknowledged;		    /* by this side: what it has judged of the other's */
	u64 checked, stale;
};

struct duel {
	struct arena *arena;
	u64 rounds;
	duel_flush *flush;
	struct duellist side[2];
};

static void judge(struct duel *d, u32 self)
{
	struct duellist *me = &d->side[self], *peer = &d->side[!self];
	/* Acquire: pairs with the release in fight(). */
	u64 generation = __atomic_load_n(&peer->published, __ATOMIC_ACQUIRE);
	u64 found = arena_read(!self);

	if (generation == me->acknowledged)
		return;
	me->checked++;
	if (found < generation)
		me->stale++;
	__atomic_store_n(&me->acknowledged, generation, __ATOMIC_RELEASE);
}

static void judge_until_acknowledged(struct duel *d, u32 self, u64 generation)
{
	u32 polls = 0;

	while (__atomic_load_n(&d->side[!self].acknowledged, __ATOMIC_ACQUIRE) < generation) {
		judge(d, self);
		cpu_poll(&polls);
	}
}

static void fight(struct duel *d, u32 self)
{
	struct flush_request req = {
		.nr_ranges = 1,
		.ranges = { { arena_va(self), 1 } },
	};

	u32 polls = 0;

	cpumask_set(&req.targets, !self);
	preempt_disable();
	root_load(d->arena->cpu[self].root);
	arena_read(!self);
	for (u64 g = 1; g <= d->rounds; g++) {
		arena_stamp(d->arena, self, g);
		arena_map(d->arena, !self, self, g, 0);
		d->flush(&req);
		__atomic_store_n(&d->side[self].published, g,
				 __ATOMIC_RELEASE); /* pairs with judge() */
		judge_until_acknowledged(d, self, g);
	}
	while (d->side[self].acknowledged < d->rounds) {
		judge(d, self);
		cpu_poll(&polls);
	}
	root_load(pt_kernel_root());
	preempt_enable();
}

static void second(void *arg)
{
	fight(arg, 1);
}

struct readers_outcome duel(struct arena *arena, u64 rounds, duel_flush *flush)
{
	struct duel d = { .arena = arena, .rounds = rounds, .flush = flush };

	for (u32 i = 0; i < 2; i++) {
		arena_stamp(arena, i, 0);
		arena_map(arena, !i, i, 0, 0);
	}
	struct thread *t = thread_create("duel", 1, second, &d);

	fight(&d, 0);
	thread_join(t);
	return (struct readers_outcome){
		.checked = d.side[0].checked + d.side[1].checked,
		.stale = d.side[0].stale + d.side[1].stale,
	};
}
