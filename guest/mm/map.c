/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/lib/errno.h"
#include "guest/lib/print.h"
#include "guest/mm/exit.h"
#include "guest/mm/held.h"
#include "guest/mm/map.h"
#include "guest/mm/zap.h"

/* Whether user mode may name that range. */
static bool range_ok(u64 addr, u64 bytes)
{
	u64 end;

	return addr % PAGE_SIZE == 0 && bytes && bytes % PAGE_SIZE == 0 && addr >= USER_MIN &&
	       !__builtin_add_overflow(addr, bytes, &end) && end <= USER_MAX;
}

static bool prot_ok(unsigned prot)
{
	return !(prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC));
}

static bool range_is_free(const struct mm *mm, u64 start, u64 end)
{
	const struct vma *v = vma_first(mm, start);

	return !v || v->start >= end;
}

/* No VMA spans either edge afterwards. */
static bool cut(struct mm *mm, u64 start, u64 end)
{
	return vma_split_at(mm, start) && vma_split_at(mm, end);
}

/* The first gap; rather one further on than one whose flush is posted, which would be waited for.
 */
static u64 find_place(const struct mm *mm, u64 bytes, u64 align)
{
	u64 first = vma_find_gap(mm, USER_MIN, bytes, align), at = first, end;

	while (at && held_overlap(mm, at, at + bytes, &end))
		at = vma_find_gap(mm, end, bytes, align);
	return at ? at : first;
}

static s64 map_locked(struct mm *mm, u64 addr, u64 bytes, unsigned prot, unsigned flags)
{
	if (!addr)
		addr = find_place(mm, bytes, flags & MAP_HUGE ? LARGE_PAGE_SIZE : PAGE_SIZE);
	if (!addr)
		return -ENOMEM;
	if (!range_is_free(mm, addr, addr + bytes))
		return -EINVAL;
	held_wait(mm, addr, addr + bytes);
	if (!vma_insert(mm, addr, addr + bytes, prot, flags & MAP_HUGE))
		return -ENOMEM;
	return (s64)addr;
}

s64 mm_map(struct mm *mm, u64 addr, u64 bytes, unsigned prot, unsigned flags)
{
	bool last = false;
	s64 r;

	if (!range_ok(addr ? addr : USER_MIN, bytes) || !prot_ok(prot) || flags & ~MAP_HUGE)
		return -EINVAL;
	do {
		mm_lock(mm);
		r = map_locked(mm, addr, bytes, prot, flags);
		mm_unlock(mm);
	} while (r == -ENOMEM && exit_try_again(&last));
	return r;
}

/* A call on the mappings in [start, end). `arg` is what `check` and `run` make of it. */
struct range_call {
	/* 0, or why the call is refused. Before anything is cut: a large page would stay split. */
	s64 (*check)(const struct mm *mm, u64 start, u64 end, u64 arg);
	/* No VMA and no large page spans an edge. 0 or -ENOMEM. */
	s64 (*run)(struct mmu_gather *g, u64 start, u64 end, u64 arg);
	/* What becomes of the debt, for the other calls and for unmap. */
	void (*pay)(struct flush_debt debt, u64 start, u64 end);
};

static void settle_now(struct flush_debt debt, u64 start, u64 end)
{
	(void)start, (void)end;
	debt_settle(debt);
}

static s64 run_cut(struct mm *mm, u64 start, u64 end, const struct range_call *call, u64 arg)
{
	struct mmu_gather *g = gather_begin(mm);
	s64 r = cut(mm, start, end) ? zap_split_edges(g, start, end) : -ENOMEM;

	if (!r)
		r = call->run(g, start, end, arg);
	call->pay(gather_end(g), start, end);
	vma_merge(mm); /* what was cut, also by a call that failed */
	return r;
}

static s64 on_range(struct mm *mm, u64 addr, u64 bytes, const struct range_call *call, u64 arg)
{
	bool last = false;
	s64 refused, r;

	if (!range_ok(addr, bytes))
		return -EINVAL;
	do {
		mm_lock(mm);
		refused = call->check(mm, addr, addr + bytes, arg);
		r = refused ? refused : run_cut(mm, addr, addr + bytes, call, arg);
		mm_unlock(mm);
	} while (!refused && r == -ENOMEM && exit_try_again(&last));
	return r;
}

static s64 check_nothing(const struct mm *mm, u64 start, u64 end, u64 arg)
{
	(void)mm, (void)start, (void)end, (void)arg;
	return 0;
}

static s64 unmap(struct mmu_gather *g, u64 start, u64 end, u64 arg)
{
	(void)arg;
	vma_remove(gather_mm(g), start, end);
	zap_range(g, start, end);
	return 0;
}

s64 mm_unmap(struct mm *mm, u64 addr, u64 bytes)
{
	static const struct range_call call = { check_nothing, unmap, debt_post };

	return on_range(mm, addr, bytes, &call, 0);
}

static s64 check_covered(const struct mm *mm, u64 start, u64 end, u64 arg)
{
	(void)arg;
	return vma_covers(mm, start, end) ? 0 : -ENOMEM;
}

static s64 protect(struct mmu_gather *g, u64 start, u64 end, u64 prot)
{
	vma_set_prot(gather_mm(g), start, end, (unsigned)prot);
	zap_protect(g, start, end, (unsigned)prot);
	return 0;
}

s64 mm_protect(struct mm *mm, u64 addr, u64 bytes, unsigned prot)
{
	static const struct range_call call = { check_covered, protect, settle_now };

	return prot_ok(prot) ? on_range(mm, addr, bytes, &call, prot) : -EINVAL;
}

static s64 dontneed(struct mmu_gather *g, u64 start, u64 end, u64 arg)
{
	(void)arg;
	zap_range(g, start, end);
	return 0;
}

s64 mm_dontneed(struct mm *mm, u64 addr, u64 bytes)
{
	static const struct range_call call = { check_covered, dontneed, settle_now };

	return on_range(mm, addr, bytes, &call, 0);
}

static s64 check_move(const struct mm *mm, u64 start, u64 end, u64 to)
{
	const struct vma *v = vma_find(mm, start);

	return v && v->end >= end && range_is_free(mm, to, to + (end - start)) ? 0 : -EINVAL;
}

/* The new VMA first: then nothing can fail any more. */
static s64 move(struct mmu_gather *g, u64 from, u64 end, u64 to)
{
	struct mm *mm = gather_mm(g);
	const struct vma *v = vma_find(mm, from);
	u64 bytes = end - from;
	s64 r;

	held_wait(mm, to, to + bytes);
	if (!vma_insert(mm, to, to + bytes, v->prot, v->huge))
		return -ENOMEM;
	r = zap_move(g, from, to, bytes);
	if (r) {
		/* The insertion may have merged with what it touches; that freed what the cut
		 * needs. */
		if (!cut(mm, to, to + bytes))
			panic("map: no VMA to cut at %#llx", (unsigned long long)to);
		vma_remove(mm, to, to + bytes);
		zap_range(g, to, to + bytes); /* tables that were made for the move */
		return r;
	}
	/* The new VMA may have merged with its neighbours; what that freed, the cut needs. */
	if (!cut(mm, from, end))
		panic("map: no VMA to cut at %#llx", (unsigned long long)from);
	vma_remove(mm, from, end);
	zap_range(g, from, end); /* the tables that are empty now */
	return 0;
}

s64 mm_remap(struct mm *mm, u64 addr, u64 bytes, u64 to)
{
	static const struct range_call call = { check_move, move, settle_now };

	return range_ok(to, bytes) ? on_range(mm, addr, bytes, &call, to) : -EINVAL;
}
