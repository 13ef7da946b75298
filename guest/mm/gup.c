/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/percpu.h"
#include "guest/lib/errno.h"
#include "guest/mm/exit.h"
#include "guest/mm/fault.h"
#include "guest/mm/gup_walk.h"
#include "guest/mm/walk.h"

u32 gup_seq(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages)
{
	return gup_walk(mm, start, count, flags, pages, GUP_V | GUP_R2);
}

paddr_t *gup_large(struct gup_walk w, const pte_t *slot, u64 va, paddr_t *pages, paddr_t *end)
{
	pte_t e;

	for (; pages < end && gup_load(&w, slot, w.need | PTE_LARGE, &e); va += PAGE_SIZE) {
		paddr_t page = pte_addr(e) + va % LARGE_PAGE_SIZE;

		if (!gup_take(&w, slot, e, page))
			break;
		*pages++ = page;
	}
	return pages;
}

u32 gup_fast_only(struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages)
{
	return walk_scheme->gup(mm, start, count, flags, pages);
}

/* Under the lock an entry stays what it is, so the reference needs no second look. */
static int take_locked(struct mm *mm, u64 va, unsigned flags, paddr_t *page)
{
	int r = fault_locked(mm, va, flags & GUP_WRITE ? ACCESS_WRITE : ACCESS_PIN, page);

	if (!r)
		page_get(*page);
	return r;
}

s64 gup_fast(struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages)
{
	bool last = false;
	u32 done;
	int r;

	if (start % PAGE_SIZE || !count || start >= USER_END ||
	    count > (USER_END - start) / PAGE_SIZE)
		return -EINVAL;
	done = gup_fast_only(mm, start, count, flags, pages);
	if (done == count)
		return done;
	mem_add(&this_mm_cpu()->gup_slow, 1);
	do {
		r = 0;
		mm_lock(mm);
		while (done < count && !r) {
			r = take_locked(mm, start + done * PAGE_SIZE, flags, &pages[done]);
			done += !r;
		}
		mm_unlock(mm);
	} while (r == -ENOMEM && exit_try_again(&last));
	return done ? (s64)done : r;
}

void gup_unpin(const paddr_t *pages, u32 count)
{
	for (u32 i = 0; i < count; i++)
		page_put(pages[i]);
}

u64 gup_slow_count(void)
{
	u64 sum = 0;

	for (u32 i = 0; i < cpu_count(); i++)
		sum += mem_load(&mm_cpu(i)->gup_slow);
	return sum;
}
