/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/mm/pcid.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/tlb.h"

/* Slot i is that of PCID i + 1. */
static struct pcid_slot *find(struct mm_cpu *me, u64 id)
{
	for (u32 i = 0; i < me->pcids; i++) {
		if (me->pcid[i].mm == id)
			return &me->pcid[i];
	}
	return NULL;
}

static struct pcid_slot *take_next(struct mm_cpu *me)
{
	struct pcid_slot *slot = &me->pcid[me->next_pcid];

	me->next_pcid = (me->next_pcid + 1) % me->pcids;
	return slot;
}

u64 pcid_tag(struct mm_cpu *me, const struct mm *mm)
{
	u64 gen = mem_load(&mm->tlb_gen); /* pairs with gather.c settle() */
	struct pcid_slot *slot = find(me, mm->id);
	bool keep = slot && slot->gen == gen;

	if (!slot)
		slot = take_next(me);
	*slot = (struct pcid_slot){ mm->id, gen };
	return (u64)(slot - me->pcid + 1) | (keep ? ROOT_KEEP : 0);
}
