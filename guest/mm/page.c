/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/boot/bootinfo.h"
#include "guest/cpu/memory.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"
#include "guest/sched/spinlock.h"

#define LOW_MEMORY 0x100000ull /* the firmware's, and the APs' trampoline */

enum page_state {
	PAGE_INSIDE, /* not the first page of a block, or not ours to give */
	PAGE_FREE,
	PAGE_USED,
};

struct hole {
	paddr_t start, end;
};

extern char image_start[], image_end[];

static struct {
	struct spinlock lock;
	u64 free;
	u32 head[PAGE_MAX_ORDER + 1];
} pool;

struct page_array page_array;
static struct page_edge edge;

static void list_push(u32 pfn, unsigned order)
{
	struct page *p = &page_array.frame[pfn];

	p->state = PAGE_FREE;
	p->order = (u8)order;
	p->prev = 0;
	p->next = pool.head[order];
	if (p->next)
		page_array.frame[p->next].prev = pfn;
	pool.head[order] = pfn;
}

static void list_remove(u32 pfn)
{
	struct page *p = &page_array.frame[pfn];

	if (p->prev)
		page_array.frame[p->prev].next = p->next;
	else
		pool.head[p->order] = p->next;
	if (p->next)
		page_array.frame[p->next].prev = p->prev;
	p->state = PAGE_INSIDE;
}

static void free_locked(u32 pfn, unsigned order)
{
	page_array.frame[pfn].state = PAGE_INSIDE;
	pool.free += 1ull << order;
	for (; order < PAGE_MAX_ORDER; order++) {
		u32 buddy = pfn ^ 1u << order;

		if (buddy >= page_array.count || page_array.frame[buddy].state != PAGE_FREE ||
		    page_array.frame[buddy].order != order)
			break;
		list_remove(buddy);
		pfn &= ~(1u << order);
	}
	list_push(pfn, order);
}

static u32 alloc_locked(unsigned order)
{
	unsigned have = order;
	u32 pfn;

	while (have <= PAGE_MAX_ORDER && pool.head[have] == 0)
		have++;
	if (have > PAGE_MAX_ORDER)
		return 0;
	pfn = pool.head[have];
	list_remove(pfn);
	while (have > order) {
		have--;
		list_push(pfn + (1u << have), have);
	}
	page_array.frame[pfn].state = PAGE_USED;
	page_array.frame[pfn].order = (u8)order;
	for (u32 i = 0; i < 1u << order; i++)
		mem_store(&page_array.frame[pfn + i].head, pfn);
	pool.free -= 1ull << order;
	/* The heads are right by now: page_try_get() looks at its frame's again. */
	mem_store(&page_array.frame[pfn].refs, 1);
	return pfn;
}

paddr_t page_alloc_order(unsigned order)
{
	bool was = spin_lock_irq(&pool.lock);
	u32 pfn = alloc_locked(order);

	spin_unlock_irq(&pool.lock, was);
	return (paddr_t)pfn << PAGE_SHIFT;
}

/* [pfn, stop) in blocks as large as they are aligned. */
static void free_frames(u32 pfn, u32 stop)
{
	while (pfn < stop) {
		unsigned order = PAGE_MAX_ORDER;

		while (pfn & ((1u << order) - 1) || pfn + (1u << order) > stop)
			order--;
		free_locked(pfn, order);
		pfn += 1u << order;
	}
}

/* Its frames are in nobody's block any more, but not free yet. */
static void dissolve(u32 pfn)
{
	struct page *p = &page_array.frame[pfn];

	if (p->state != PAGE_USED)
		panic("page: the block at frame %#x is not allocated", pfn);
	p->state = PAGE_INSIDE;
	/* Before `pfn` can be a smaller block: page_try_get() must not take its frames for ours. */
	for (u32 i = 1; i < 1u << p->order; i++)
		mem_store(&page_array.frame[pfn + i].head, pfn + i);
}

void page_free_blocks(const u32 *frame, u32 count)
{
	bool was = spin_lock_irq(&pool.lock);

	for (u32 i = 0; i < count;) {
		u32 first = frame[i], stop = first;

		/* Neighbours in the list that are neighbours in memory go together. */
		for (; i < count && frame[i] == stop; i++) {
			dissolve(stop);
			stop += 1u << page_array.frame[stop].order;
		}
		free_frames(first, stop);
	}
	spin_unlock_irq(&pool.lock, was);
}

void page_free_order(paddr_t pa, unsigned order)
{
	const struct page *p = page_of(pa);

	if (pa % PAGE_SIZE || p->state != PAGE_USED || p->order != order)
		panic("page: free of %#llx, order %u, which is not allocated so",
		      (unsigned long long)pa, order);
	page_put(pa);
}

paddr_t page_alloc(void)
{
	return page_alloc_order(0);
}

void page_free(paddr_t pa)
{
	page_free_order(pa, 0);
}

paddr_t page_alloc_zeroed(void)
{
	paddr_t pa = page_alloc();

	if (pa != PADDR_NONE)
		memset(phys_to_virt(pa), 0, PAGE_SIZE);
	return pa;
}

u64 page_free_count(void)
{
	return __atomic_load_n(&pool.free, __ATOMIC_RELAXED);
}

static unsigned order_for(size_t size)
{
	unsigned order = 0;

	ASSERT(size > 0);
	while (PAGE_SIZE << order < size)
		order++;
	ASSERT(order <= PAGE_MAX_ORDER);
	return order;
}

void *kzalloc(size_t size)
{
	unsigned order = order_for(size);
	paddr_t pa = page_alloc_order(order);

	if (pa == PADDR_NONE)
		panic("page: no memory for %zu bytes", size);
	return memset(phys_to_virt(pa), 0, PAGE_SIZE << order);
}

void kfree(void *p, size_t size)
{
	page_free_order(virt_to_phys(p), order_for(size));
}

static void free_range(paddr_t start, paddr_t end)
{
	u64 pfn = ALIGN_UP(start, PAGE_SIZE) >> PAGE_SHIFT, stop = end >> PAGE_SHIFT;
	bool was = spin_lock_irq(&pool.lock);

	if (pfn < stop)
		free_frames((u32)pfn, (u32)stop);
	spin_unlock_irq(&pool.lock, was);
}

/* Frees [start, end) but for the holes. */
static void free_around(paddr_t start, paddr_t end, const struct hole *hole, u32 holes)
{
	for (; holes && start < end; hole++, holes--) {
		if (hole->start >= end || hole->end <= start)
			continue;
		if (start < hole->start)
			free_around(start, hole->start, hole + 1, holes - 1);
		start = hole->end;
	}
	if (start < end)
		free_range(start, end);
}

static struct hole image_hole(void)
{
	return (struct hole){ virt_to_phys(image_start), virt_to_phys(image_end) };
}

/* The first RAM, beyond low memory and the image, that holds `size` bytes and is mapped yet. */
static struct hole place_page_array(const struct boot_info *boot, u64 size)
{
	struct hole image = image_hole();

	for (u32 i = 0; i < boot->region_count; i++) {
		const struct boot_region *r = &boot->region[i];
		paddr_t start = ALIGN_UP(MAX(r->start, LOW_MEMORY), PAGE_SIZE);

		if (start < image.end && image.start < start + size)
			start = image.end;
		if (r->ram && start + size <= MIN(r->end, BOOT_MAPPED))
			return (struct hole){ start, start + size };
	}
	panic("page: no %llu KiB of contiguous RAM below 4 GiB for the page array",
	      (unsigned long long)size >> 10);
}

static bool overlap(const struct hole *a, const struct hole *b)
{
	return a->start < b->end && b->start < a->end;
}

static struct page_edge find_edge(const struct boot_info *boot, const struct hole *array)
{
	struct hole image = image_hole(), last = { .end = boot_ram_end(boot) };
	paddr_t end = last.end;
	bool whole = false;

	last.start = last.end - PAGE_SIZE;
	for (u32 i = 0; i < boot->region_count; i++) {
		const struct boot_region *r = &boot->region[i];

		end = MAX(end, r->end);
		whole |= r->ram && r->start <= last.start && r->end == last.end;
	}
	for (u32 i = 0; i < boot->region_count; i++)
		whole &= boot->region[i].start > last.end || boot->region[i].end <= last.end;
	if (!whole || last.end % PAGE_SIZE || last.start < LOW_MEMORY || overlap(&last, &image) ||
	    overlap(&last, array))
		last.start = PADDR_NONE;
	return (struct page_edge){ last.start, ALIGN_UP(end, PAGE_SIZE) };
}

struct page_edge page_edge(void)
{
	return edge;
}

static void add_ram(const struct boot_info *boot, paddr_t from, paddr_t to)
{
	const struct hole holes[] = {
		{ 0, LOW_MEMORY },
		image_hole(),
		{ virt_to_phys(page_array.frame),
		  ALIGN_UP(virt_to_phys(page_array.frame + page_array.count), PAGE_SIZE) },
		{ edge.tail, edge.tail == PADDR_NONE ? 0 : edge.tail + PAGE_SIZE },
	};

	for (u32 i = 0; i < boot->region_count; i++) {
		const struct boot_region *r = &boot->region[i];

		if (r->ram)
			free_around(MAX(r->start, from), MIN(r->end, to), holes, ARRAY_SIZE(holes));
	}
}

void page_init(const struct boot_info *boot)
{
	u64 size;
	struct hole array;

	page_array.count = boot_ram_end(boot) >> PAGE_SHIFT;
	size = ALIGN_UP(page_array.count * sizeof(struct page), PAGE_SIZE);
	array = place_page_array(boot, size);
	page_array.frame = memset(phys_to_virt(array.start), 0, size);
	edge = find_edge(boot, &array);
	add_ram(boot, 0, MIN(boot_ram_end(boot), BOOT_MAPPED));
}

void page_init_high(const struct boot_info *boot)
{
	if (boot_ram_end(boot) > BOOT_MAPPED)
		add_ram(boot, BOOT_MAPPED, boot_ram_end(boot));
}
