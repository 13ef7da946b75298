/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forms of gup_fast_only() in which something holds the freeing of tables up while
 * the reader walks: for comparison with gup_seq().
 */
#include "guest/cpu/irq.h"
#include "guest/cpu/percpu.h"
#include "guest/mm/gup_walk.h"
#include "guest/mm/walk.h"
#include "guest/sched/thread.h"

/*
 * Whoever frees, a page or a table, has flushed this CPU by an interrupt before,
 * and so waited for the end of the walk. R1 is for fork, which looks before it flushes.
 */
u32 gup_irqoff(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages)
{
	bool was = irq_save();
	u32 done = gup_walk(mm, start, count, flags, pages, 0);

	irq_restore(was);
	return done;
}

/* A CPU that counts as at rest is not waited for: its interrupt handlers go the slow way. */
u32 gup_rcu(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages)
{
	u32 done = 0;

	preempt_disable();
	if (!(mem_load(&this_mm_cpu()->quiescent) & WALK_AT_REST))
		done = gup_walk(mm, start, count, flags, pages, GUP_R2);
	preempt_enable();
	return done;
}

u32 gup_counter(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages)
{
	bool outermost;
	u32 done;

	preempt_disable();
	outermost = walk_enter(this_mm_cpu());
	done = gup_walk(mm, start, count, flags, pages, GUP_R2);
	walk_exit(this_mm_cpu(), outermost);
	preempt_enable();
	return done;
}

u32 gup_counter_xchg(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages)
{
	bool outermost;
	u32 done;

	preempt_disable();
	outermost = walk_enter_fenced(this_mm_cpu());
	done = gup_walk(mm, start, count, flags, pages, GUP_R2);
	walk_exit(this_mm_cpu(), outermost);
	preempt_enable();
	return done;
}
