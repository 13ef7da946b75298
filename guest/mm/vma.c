/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/lib/print.h"
#include "guest/mm/map.h"
#include "guest/mm/page.h"
#include "guest/mm/vma.h"

/* An mm's VMAs come from pages of its own, which it keeps to its end. */
struct vma_page {
	struct vma_page *next;
	struct vma vma[(PAGE_SIZE - sizeof(struct vma_page *)) / sizeof(struct vma)];
};

static void push_free(struct mm *mm, struct vma *v)
{
	v->next = mm->free_vmas;
	mm->free_vmas = v;
}

static void vma_free(struct mm *mm, struct vma *v)
{
	mm->nr_vmas--;
	push_free(mm, v);
}

static struct vma *vma_alloc(struct mm *mm)
{
	struct vma *v = mm->free_vmas;

	if (mm->nr_vmas == VMA_MAX)
		return NULL;
	if (!v) {
		paddr_t pa = page_alloc();

		if (pa == PADDR_NONE)
			return NULL;
		struct vma_page *page = phys_to_virt(pa);

		page->next = mm->vma_pages;
		mm->vma_pages = page;
		for (u32 i = 0; i < ARRAY_SIZE(page->vma); i++)
			push_free(mm, &page->vma[i]);
		v = mm->free_vmas;
	}
	mm->free_vmas = v->next;
	mm->nr_vmas++;
	return v;
}

void vma_free_all(struct mm *mm)
{
	while (mm->vma_pages) {
		struct vma_page *page = mm->vma_pages;

		mm->vma_pages = page->next;
		page_put(virt_to_phys(page));
	}
	mm->vmas = mm->free_vmas = NULL;
	mm->nr_vmas = 0;
}

u64 vma_flags(unsigned prot)
{
	u64 flags = prot & PROT_EXEC ? 0 : PTE_NX;

	if (prot)
		flags |= PTE_USER;
	if (prot & PROT_WRITE)
		flags |= PTE_WRITE;
	return flags;
}

struct vma *vma_first(const struct mm *mm, u64 va)
{
	struct vma *v = mm->vmas;

	while (v && v->end <= va)
		v = v->next;
	return v;
}

struct vma *vma_find(const struct mm *mm, u64 va)
{
	struct vma *v = vma_first(mm, va);

	return v && v->start <= va ? v : NULL;
}

bool vma_covers(const struct mm *mm, u64 start, u64 end)
{
	for (const struct vma *v = vma_find(mm, start); v && v->start <= start; v = v->next) {
		if (v->end >= end)
			return true;
		start = v->end;
	}
	return false;
}

u64 vma_find_gap(const struct mm *mm, u64 from, u64 bytes, u64 align)
{
	u64 at = ALIGN_UP(from, align);

	for (const struct vma *v = mm->vmas; v; v = v->next) {
		if (at < v->start && v->start - at >= bytes)
			return at;
		at = MAX(at, ALIGN_UP(v->end, align));
	}
	return at < USER_MAX && USER_MAX - at >= bytes ? at : 0;
}

static bool alike(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->prot == b->prot && a->huge == b->huge;
}

/* Joins `v` with as many successors as are alike. */
static void merge(struct mm *mm, struct vma *v)
{
	while (v->next && alike(v, v->next)) {
		struct vma *gone = v->next;

		v->end = gone->end;
		v->next = gone->next;
		vma_free(mm, gone);
	}
}

bool vma_insert(struct mm *mm, u64 start, u64 end, unsigned prot, bool huge)
{
	struct vma **at = &mm->vmas, *fresh = vma_alloc(mm), *before = NULL;

	if (!fresh)
		return false;
	while (*at && (*at)->end <= start) {
		before = *at;
		at = &before->next;
	}
	ASSERT(!*at || (*at)->start >= end);
	*fresh = (struct vma){ start, end, prot, huge, *at };
	*at = fresh;
	merge(mm, fresh);
	if (before)
		merge(mm, before);
	return true;
}

bool vma_split_at(struct mm *mm, u64 va)
{
	struct vma *v = vma_find(mm, va), *high;

	if (!v || v->start == va)
		return true;
	high = vma_alloc(mm);
	if (!high)
		return false;
	*high = *v;
	high->start = va;
	v->end = va;
	v->next = high;
	return true;
}

void vma_remove(struct mm *mm, u64 start, u64 end)
{
	struct vma **at = &mm->vmas;

	while (*at && (*at)->start < end) {
		struct vma *v = *at;

		if (v->end <= start) {
			at = &v->next;
			continue;
		}
		ASSERT(v->start >= start && v->end <= end);
		*at = v->next;
		vma_free(mm, v);
	}
}

void vma_set_prot(struct mm *mm, u64 start, u64 end, unsigned prot)
{
	for (struct vma *v = vma_first(mm, start); v && v->start < end; v = v->next) {
		ASSERT(v->start >= start && v->end <= end);
		v->prot = prot;
	}
}

void vma_merge(struct mm *mm)
{
	for (struct vma *v = mm->vmas; v; v = v->next)
		merge(mm, v);
}
