/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/memory.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/exit.h"
#include "guest/mm/gather.h"
#include "guest/mm/mm.h"
#include "guest/mm/page.h"
#include "guest/mm/pgtable.h"
#include "guest/mm/switch.h"
#include "guest/mm/table.h"
#include "guest/sched/thread.h"

_Static_assert(sizeof(struct mm) <= PAGE_SIZE, "one page");

static u64 last_id;

static struct mm *try_create(void)
{
	paddr_t pa = page_alloc_zeroed();
	struct mm *mm = phys_to_virt(pa);

	if (pa == PADDR_NONE)
		return NULL;
	mm->root = pt_create_root();
	mm->gather = gather_create(mm);
	if (mm->root == PADDR_NONE || !mm->gather) {
		if (mm->root != PADDR_NONE)
			page_put(mm->root);
		if (mm->gather)
			gather_destroy(mm->gather);
		page_put(pa);
		return NULL;
	}
	mm->id = mem_add(&last_id, 1);
	mm->users = mm->root_refs = 1;
	mm->tables = 1;
	return mm;
}

struct mm *mm_create(void)
{
	bool last = false;
	struct mm *mm;

	do
		mm = try_create();
	while (!mm && exit_try_again(&last));
	return mm;
}

void mm_get(struct mm *mm)
{
	mem_add(&mm->users, 1);
}

void mm_put(struct mm *mm)
{
	if (thread_current()->mm == mm)
		mm_disuse();
	if (mem_add(&mm->users, -1u) == 0)
		exit_mm(mm);
}

pte_t *mm_slot_alloc(struct mm *mm, u64 va, unsigned level)
{
	return pt_slot_alloc(mm->root, va, level, PTE_WRITE | PTE_USER, &mm->tables);
}

void mm_lock(struct mm *mm)
{
	mutex_lock(&mm->lock);
}

void mm_unlock(struct mm *mm)
{
	if (mm->debts)
		panic("mm: %llu flushes are owed as the lock is given back",
		      (unsigned long long)mm->debts);
	mutex_unlock(&mm->lock);
}
