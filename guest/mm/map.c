/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/lib/errno.h"
#include "guest/lib/print.h"
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

static s64 map_locked(struct mm *mm, u64 addr, u64 bytes, unsigned prot, unsigned flags)
{
	if (!addr)
		addr = vma_find_gap(mm, bytes, flags & MAP_HUGE ? LARGE_PAGE_SIZE : PAGE_SIZE);
	if (!addr)
		return -ENOMEM;
	if (!range_is_free(mm, addr, addr + bytes))
		return -EINVAL;
	if (!vma_insert(mm, addr, addr + bytes, prot, flags & MAP_HUGE))
		return -ENOMEM;
	return (s64)addr;
}

s64 mm_map(struct mm *mm, u64 addr, u64 bytes, unsigned prot, unsigned flags)
{
	s64 r;

	if (!range_ok(addr ? addr : USER_MIN, bytes) || !prot_ok(prot) || flags & ~MAP_HUGE)
		return -EINVAL;
	mm_lock(mm);
	r = map_locked(mm, addr, bytes, prot, flags);
	mm_unlock(mm);
	return r;
}

/* A call on the mapped range [addr, addr + bytes), with the gather that pays its debts. */
typedef s64 range_call(struct mmu_gather *g, u64 start, u64 end, u64 arg);

static s64 on_range(struct mm *mm, u64 addr, u64 bytes, range_call *call, u64 arg)
{
	struct mmu_gather *g;
	s64 r;

	if (!range_ok(addr, bytes))
		return -EINVAL;
	mm_lock(mm);
	g = gather_begin(mm);
	r = cut(mm, addr, addr + bytes) ? zap_split_edges(g, addr, addr + bytes) : -ENOMEM;
	if (!r)
		r = call(g, addr, addr + bytes, arg);
	debt_settle(gather_end(g));
	vma_merge(mm); /* what was cut, also by a call that was refused */
	mm_unlock(mm);
	return r;
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
	return on_range(mm, addr, bytes, unmap, 0);
}

static s64 protect(struct mmu_gather *g, u64 start, u64 end, u64 prot)
{
	struct mm *mm = gather_mm(g);

	if (!vma_covers(mm, start, end))
		return -ENOMEM;
	vma_set_prot(mm, start, end, (unsigned)prot);
	zap_protect(g, start, end, (unsigned)prot);
	return 0;
}

s64 mm_protect(struct mm *mm, u64 addr, u64 bytes, unsigned prot)
{
	return prot_ok(prot) ? on_range(mm, addr, bytes, protect, prot) : -EINVAL;
}

static s64 dontneed(struct mmu_gather *g, u64 start, u64 end, u64 arg)
{
	(void)arg;
	if (!vma_covers(gather_mm(g), start, end))
		return -ENOMEM;
	zap_range(g, start, end);
	return 0;
}

s64 mm_dontneed(struct mm *mm, u64 addr, u64 bytes)
{
	return on_range(mm, addr, bytes, dontneed, 0);
}

/* The new VMA first: then nothing can fail any more. */
static s64 move(struct mmu_gather *g, u64 from, u64 end, u64 to)
{
	struct mm *mm = gather_mm(g);
	const struct vma *v = vma_find(mm, from);
	u64 bytes = end - from;
	s64 r;

	if (!v || v->end < end || !range_is_free(mm, to, to + bytes))
		return -EINVAL;
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
	return range_ok(to, bytes) ? on_range(mm, addr, bytes, move, to) : -EINVAL;
}
