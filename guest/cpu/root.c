/* SPDX-License-Identifier: BSD-2-Clause */
/* CR3, and the word by which the host knows whether it may change it (mm/mm_cpu.h). */
#include "guest/cpu/irq.h"
#include "guest/cpu/memory.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/tlb.h"
#include "guest/lib/print.h"
#include "guest/mm/flush_clock.h"
#include "guest/mm/mm.h"

/* Word and CR3 are one step for handlers, which load what the word names: interrupts are off. */
void root_load_tagged(paddr_t root, u64 tag)
{
	bool was = irq_save();
	struct mm_cpu *me = this_mm_cpu();
	u64 tick = me->pcids ? 0 : flush_clock_tick(); /* one PCID's translations are not all */

	ASSERT((mem_load(&me->root_word) & ROOT_STATE) == ROOT_ACTIVE);
	ASSERT(!me->active || me->active->root == root);
	mem_store(&me->root_word, ROOT_ACTIVE | root);
	write_cr3(root | tag);
	me->root_loads++;
	if (tick)
		flush_clock_publish(tick);
	irq_restore(was);
}

/*
 * A lazy root is claimed before it is loaded again: if the host has moved this CPU
 * off it meanwhile, it may be freed, and the word names the root that is in CR3
 * now. An IPI cannot come between, a host's `detach` can, and finds ACTIVE.
 * With PCIDs CR3 is not written: a load of it forgets by one PCID only.
 */
static void reload_root(void)
{
	bool was = irq_save();
	struct mm_cpu *me = this_mm_cpu();
	u64 tick = flush_clock_tick();
	u64 word = mem_load(&me->root_word);
	bool lazy = (word & ROOT_STATE) == ROOT_LAZY;

	if (lazy)
		lazy = mem_cas(&me->root_word, &word, ROOT_ACTIVE | (word & ROOT_ADDR));
	write_cr3(word & ROOT_ADDR);
	if (lazy)
		mem_store(&me->root_word, ROOT_LAZY | (word & ROOT_ADDR));
	flush_clock_publish(tick);
	irq_restore(was);
}

void tlb_flush_user(void)
{
	if (this_mm_cpu()->pcids)
		tlb_flush_contexts();
	else
		reload_root();
}
