/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/mm/switch.h"

#include "guest/cpu/irq.h"
#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/tlb.h"
#include "guest/mm/exit.h"
#include "guest/mm/pcid.h"
#include "guest/mm/pgtable.h"
#include "guest/mm/walk.h"
#include "guest/sched/thread.h"

/*
 * Makes the root in CR3 this CPU's own again, if it is lazy. Returns whose it is;
 * NULL: the kernel's, also because the host has moved this CPU there. Then reference
 * and bit are those of who asked for it, who may have freed the mm by now. Only an mm
 * without users is detached, so this CPU never sets a bit that the other still clears.
 */
static struct mm *claim_root(struct mm_cpu *me)
{
	u64 word = mem_load(&me->root_word);

	if ((word & ROOT_STATE) == ROOT_LAZY &&
	    mem_cas(&me->root_word, &word, ROOT_ACTIVE | (word & ROOT_ADDR)))
		return me->active;
	if ((word & ROOT_STATE) == ROOT_MOVED) {
		me->active = NULL;
		mem_store(&me->root_word, ROOT_ACTIVE | (word & ROOT_ADDR));
	}
	return me->active;
}

/* After CR3 holds another root: no walk of this CPU reads the tables of `old` any more. */
static void leave(struct mm *old)
{
	cpumask_clear_atomic(&old->cpus, this_cpu()->id);
	root_put(old);
}

static void enter(struct mm_cpu *me, struct mm *next)
{
	mem_add(&next->root_refs, 1);
	cpumask_set_atomic(&next->cpus, this_cpu()->id); /* before CR3: flushes must find us */
	me->active = next;
	root_load_tagged(next->root, me->pcids ? pcid_tag(me, next) : 0);
}

static void go_lazy(struct mm_cpu *me)
{
	u64 word = mem_load(&me->root_word);

	if (me->active && (word & ROOT_STATE) == ROOT_ACTIVE)
		mem_store(&me->root_word, ROOT_LAZY | (word & ROOT_ADDR));
}

void mm_switch(struct mm *next)
{
	struct mm_cpu *me = this_mm_cpu();
	struct mm *old;

	walk_quiescent();
	if (!next) {
		go_lazy(me);
		return;
	}
	old = claim_root(me);
	if (old == next)
		return;
	enter(me, next);
	if (old)
		leave(old);
}

void mm_leave_lazy(void)
{
	struct mm_cpu *me = this_mm_cpu();
	struct mm *old = me->active;

	if (!old || (mem_load(&me->root_word) & ROOT_STATE) == ROOT_ACTIVE)
		return;
	old = claim_root(me);
	if (!old)
		return;
	me->active = NULL;
	root_load(pt_kernel_root());
	leave(old);
}

static void become(struct mm *mm)
{
	bool was = irq_save();

	thread_current()->mm = mm;
	mm_switch(mm);
	exit_wake_reaper();
	irq_restore(was);
}

void mm_use(struct mm *mm)
{
	become(mm);
}

void mm_disuse(void)
{
	become(NULL);
}

/* The mm may be gone as soon as the count is down: nothing after it looks at it. */
void root_put(struct mm *mm)
{
	if (mem_add(&mm->root_refs, -1u) == 0)
		exit_root_gone();
}
