/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Software walks of page tables without mm->lock, and what becomes of a table that
 * was unlinked: every CPU has flushed it, but a software walker may still be in it.
 *
 *   seq          nothing is waited for: gup_fast() finds out by itself (gup.h)
 *   irqoff       nothing either: the flush was an interrupt, which waited for walkers,
 *                for they disable interrupts. The scheme of x86 in 2009. With a flush that
 *                does not interrupt every reader it is a use after free.
 *   rcu          a table waits until each CPU has passed its scheduler, idled or been in user mode
 *   counter      a table waits until each CPU has been outside a walk: its count is even,
 *                or has changed. The reader stores it plainly; the fence between that
 *                store and its loads is the updater's flush, where the flush is one (below)
 *   counter-xchg the same with a fence of the reader's own
 *
 * The asymmetric fence. Reader: R1 count odd, R2 load entries, R3 count even. Updater:
 * U1 unlink, flush, U3 look at the counts. TSO lets R2 pass R1. A flush stands in for
 * the fence if each target drains its stores and sees U1 at some point between U1 and
 * U3: a target in guest mode leaves it, or takes an interrupt, after the call began,
 * and the call waits for that (H1); any other sees the request before its next
 * instruction (H2); every CPU that may walk is a target, which holds for walks of the
 * current mm only (H3); the call is a full barrier for its caller (H4). That a vCPU is
 * descheduled says nothing: it may be descheduled inside a walk.
 */
#ifndef GUEST_MM_WALK_H
#define GUEST_MM_WALK_H

#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/mm/mm.h"
#include "guest/mm/mm_cpu.h"
#include "guest/mm/table.h"

struct walk_scheme {
	const char *name;
	u32 (*gup)(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages);
	bool defers;	/* unlinked tables wait */
	bool quiescent; /* for mm_cpu->quiescent rather than mm_cpu->walks */
};

/* In force: seq, until walk_set_scheme() writes it. */
extern const struct walk_scheme *walk_scheme;

/* What a CPU's gup_fast_only() is; gup.h says how to call it. */
u32 gup_seq(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages);
u32 gup_irqoff(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages);
u32 gup_rcu(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages);
u32 gup_counter(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages);
u32 gup_counter_xchg(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages);

/*
 * Chooses the scheme, after flush_init(). NULL, or the reason why not. `counter`
 * becomes `counter-xchg` if the flush is no fence. `irqoff` is refused with every flush
 * but `ipi`, unless `unsafe`. Thread context; nobody walks or unmaps meanwhile.
 */
const char *walk_set_scheme(const char *name, bool unsafe);

/*
 * So many tables may wait; beyond that whoever unmaps waits too, and yields to the vCPU that holds
 * them up. At boot or between tests.
 */
void walk_set_limit(u32 limit);

/*
 * Gives back a table of `mm` that was unlinked and then flushed. At the exit of an mm
 * it is free at once: who walks an mm is a user of it. Thread context, interrupts on,
 * no lock held that a walker waits for: no walker waits for any.
 */
void walk_retire_table(const struct mm *mm, paddr_t table);

/* Frees the tables that need not wait any more. Any context but NMI. */
void walk_poll(void);

/* How many wait. */
u64 walk_backlog(void);

/* Returns when none does. Thread context, interrupts on. */
void walk_quiesce(void);

/*
 * Reads the entries that translate `va` of any mm, the root's first, up to the one
 * that is not present or maps a page. Returns how many. It follows entries without a
 * second look, so it is protected as `counter-xchg` in every scheme (in rcu by
 * that). The caller is a user of `mm`. Thread context, interrupts on.
 */
unsigned walk_entries(const struct mm *mm, u64 va, pte_t out[ROOT_LEVEL]);

/*
 * For rcu: mm_cpu->quiescent, written by its CPU only, interrupts off. Locked: whoever sees
 * the new count must not miss a walk that began after it and loaded before the store.
 */
#define WALK_AT_REST 1u /* bit 0: in HLT or in user mode, in no walk until the count changes */

/*
 * This CPU has passed its scheduler, or might as well have: the thread it runs is in no walk.
 * The CPU is not at rest afterwards.
 */
static inline void walk_quiescent(void)
{
	u64 *count = &this_mm_cpu()->quiescent;

	mem_add(count, 2 - (mem_load(count) & WALK_AT_REST));
}

/* Before HLT, and before user mode. */
static inline void walk_rest(void)
{
	u64 *count = &this_mm_cpu()->quiescent;

	if (!(mem_load(count) & WALK_AT_REST))
		mem_add(count, 1);
}

/* After it, before anything that may walk; none may come in between but what a switch has begun. */
static inline void walk_rest_end(void)
{
	if (mem_load(&this_mm_cpu()->quiescent) & WALK_AT_REST)
		walk_quiescent();
}

/*
 * A counted walk of the current mm; preemption disabled until walk_exit(). False: inside
 * another one, which an interrupt has interrupted. An interrupt between load and store may
 * have walked and left the count two higher; the odd value then comes twice, which at worst
 * makes an updater wait for both walks. The fence is the updater's (above).
 */
static inline bool walk_enter(struct mm_cpu *c)
{
	u64 walks = mem_load(&c->walks);

	if (walks & 1)
		return false;
	mem_store(&c->walks, walks + 1);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return true;
}

/* The same with a fence here: pairs with the updater's unlink, a locked instruction. */
static inline bool walk_enter_fenced(struct mm_cpu *c)
{
	u64 walks = mem_load(&c->walks);

	if (walks & 1)
		return false;
	mem_exchange(&c->walks, walks + 1);
	return true;
}

/* The loads of the walk come before the store: TSO. */
static inline void walk_exit(struct mm_cpu *c, bool outermost)
{
	if (outermost)
		mem_store(&c->walks, mem_load(&c->walks) + 1);
}

#endif
