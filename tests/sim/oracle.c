/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/sim/oracle.h"

#include <string.h>

#include "guest/mm/gup.h"
#include "guest/mm/pgtable.h"
#include "tests/sim/frames.h"
#include "tests/sim/ring.h"
#include "tests/sim/schedule.h"

#define USER_VA(va) (!((va) >> 47))

static u64 reach(unsigned level)
{
	return 1ull << (PAGE_SHIFT + 9 * (level - 1));
}

/* Of the page that a leaf edge maps `va` to. */
static u32 page_at(const struct sim_edge *e, u64 va)
{
	return e->child + (u32)((va - e->va) >> PAGE_SHIFT);
}

static const struct sim_mm *mm_of_root(paddr_t root)
{
	for (unsigned i = 0; i < sim.mms; i++)
		if (sim.mm[i].root == root)
			return &sim.mm[i];
	return NULL;
}

void oracle_add_mm(struct mm *mm, const char *name)
{
	if (sim.mms == SIM_MMS)
		sim_fail("more address spaces than the simulator has names for");
	sim.mm[sim.mms++] = (struct sim_mm){ mm, mm->root, name };
}

void oracle_remove_mm(const struct mm *mm)
{
	for (unsigned i = 0; i < sim.mms; i++)
		if (sim.mm[i].mm == mm)
			sim.mm[i] = sim.mm[--sim.mms];
}

static void forget_freed_mm(u32 frame, u32 n)
{
	for (unsigned i = sim.mms; i-- > 0;) {
		u32 at = frame_at(sim.mm[i].mm), root = (u32)(sim.mm[i].root >> PAGE_SHIFT);

		if ((at >= frame && at < frame + n) || (root >= frame && root < frame + n))
			sim.mm[i] = sim.mm[--sim.mms];
	}
}

void oracle_free(u32 frame, u32 n)
{
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
		const struct sim_cpu *c = &sim.cpu[cpu];
		u32 root = (u32)(c->cr3 >> PAGE_SHIFT);

		if (c->cr3 && root >= frame && root < frame + n)
			sim_fail("I9: frame %u is freed, the root in CR3 of CPU %u", root, cpu);
		for (unsigned i = 0; i < c->edges; i++) {
			const struct sim_edge *e = &c->edge[i];
			u32 size = e->leaf && e->level > 1 ? PT_ENTRIES : 1;

			if (e->child + size <= frame || e->child >= frame + n)
				continue;
			sim_fail("%s: frame %u is freed, CPU %u may still %s it for %#lx",
				 e->leaf ? "I2" : "I1", e->child, cpu, e->leaf ? "map" : "walk",
				 e->va);
		}
	}
	forget_freed_mm(frame, n);
}

void oracle_root_load(const struct sim_cpu *c, paddr_t root)
{
	u32 cpu = (u32)(c - sim.cpu);
	const struct sim_mm *m = mm_of_root(root);

	if (root >> PAGE_SHIFT >= FRAMES || !frames[root >> PAGE_SHIFT].allocated)
		sim_fail("I9: CPU %u loads the root %#lx, which is free", cpu, root);
	if (m && !(m->mm->cpus.word[0] >> cpu & 1))
		sim_fail("I4: CPU %u loads the root of %s before its bit is in the mask", cpu,
			 m->name);
}

void oracle_mask_clear(const struct cpumask *m, u32 cpu)
{
	for (unsigned i = 0; i < sim.mms; i++)
		if (m == &sim.mm[i].mm->cpus && sim.cpu[cpu].cr3 == sim.mm[i].root)
			sim_fail("I4: CPU %u's bit in the mask of %s goes while its root is loaded",
				 cpu, sim.mm[i].name);
}

void oracle_plain_entry(const struct sim_cpu *c, u32 frame, u64 old, u64 value)
{
	(void)c;
	if (old & PTE_PRESENT && old & PTE_USER && old != value)
		sim_fail("I8: plain store of %#lx over %#lx in frame %u: accessed and dirty bits "
			 "may get lost",
			 value, old, frame);
}

static bool same_space(const struct sim_cpu *a, const struct sim_cpu *b, u64 va)
{
	return !USER_VA(va) || a->cr3 == b->cr3;
}

static bool overlap(const struct sim_edge *a, const struct sim_edge *b)
{
	return a->va < b->va + reach(b->level) && b->va < a->va + reach(a->level);
}

static void check_new_leaf(const struct sim_cpu *c, const struct sim_edge *e,
			   const unsigned before[SIM_CPUS])
{
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
		const struct sim_cpu *other = &sim.cpu[cpu];

		for (unsigned i = 0; i < before[cpu] && same_space(c, other, e->va); i++) {
			const struct sim_edge *o = &other->edge[i];
			u64 va = MAX(e->va, o->va);

			if (!o->leaf || !overlap(e, o) || page_at(e, va) == page_at(o, va) ||
			    !((e->value | o->value) & PTE_WRITE))
				continue;
			sim_fail("%s: %#lx maps frame %u now, and CPU %u may still use frame %u",
				 USER_VA(va) ? "I2" : "I11", va, page_at(e, va), cpu,
				 page_at(o, va));
		}
	}
}

void oracle_coherence(const unsigned before[SIM_CPUS])
{
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
		const struct sim_cpu *c = &sim.cpu[cpu];

		for (unsigned i = before[cpu]; i < c->edges; i++)
			if (c->edge[i].leaf)
				check_new_leaf(c, &c->edge[i], before);
	}
}

/* The leaf that memory has for `va`, or 0; *page is the frame it maps it to. */
static u64 leaf_at(paddr_t root, u64 va, u32 *page, bool *writable)
{
	u32 table = (u32)(root >> PAGE_SHIFT);
	u64 e = 0;

	*writable = true;
	for (unsigned level = 4; level; level--) {
		const u64 *t = (const u64 *)(void *)(frames_ram + (u64)table * PAGE_SIZE);

		e = t[va / reach(level) % PT_ENTRIES];
		if (!(e & PTE_PRESENT))
			return 0;
		*writable &= (e & PTE_WRITE) != 0;
		table = (u32)((e & PTE_ADDR) >> PAGE_SHIFT);
		if (level > 1 && e & PTE_LARGE) {
			table += (u32)(va % reach(level) >> PAGE_SHIFT);
			break;
		}
	}
	*page = table;
	return e;
}

static void check_granted(const struct sim_cpu *c, const struct sim_edge *e, const char *name)
{
	unsigned cpu = (unsigned)(c - sim.cpu);
	bool writable;
	u32 page;
	u64 now = leaf_at(c->cr3, e->va, &page, &writable);

	if (!now && ring_owes(cpu, e->va))
		return; /* a posted munmap: what it may use is neither free nor mapped anew, I2 */
	if (!now)
		sim_fail("I5: the lock of %s is given back, CPU %u may still use %#lx, unmapped",
			 name, cpu, e->va);
	if (page != e->child)
		sim_fail("I5: the lock of %s is given back, CPU %u may still use frame %u for %#lx",
			 name, cpu, e->child, e->va);
	if ((e->value & PTE_WRITE && !writable) || (e->value & PTE_USER && !(now & PTE_USER)) ||
	    (!(e->value & PTE_NX) && now & PTE_NX))
		sim_fail("I5: the lock of %s is given back, CPU %u may still use %#lx with %#lx, "
			 "which is %#lx now",
			 name, cpu, e->va, e->value, now);
}

void oracle_unlock(const struct mutex *m)
{
	for (unsigned i = 0; i < sim.mms; i++) {
		if (m != &sim.mm[i].mm->lock)
			continue;
		for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
			const struct sim_cpu *c = &sim.cpu[cpu];

			for (unsigned j = 0; j < c->edges && c->cr3 == sim.mm[i].root; j++)
				if (c->edge[j].leaf && USER_VA(c->edge[j].va))
					check_granted(c, &c->edge[j], sim.mm[i].name);
		}
	}
}

/*
 * Whatever has changed since, the flush has either made this CPU forget, or will: then its
 * initiator has the lock. Kernel addresses: used again, they have been flushed.
 */
static void check_kept(const struct sim_cpu *c, const struct sim_edge *e, const struct sim_mm *m)
{
	unsigned cpu = (unsigned)(c - sim.cpu);
	bool writable;
	u32 page;

	if (e->generation != frame_generation(e->child))
		sim_fail("I10: CPU %u goes on with PCID %u, by which it may still %s frame %u for "
			 "%#lx, freed since",
			 cpu, c->pcid, e->leaf ? "map" : "walk", e->child, e->va);
	if (!e->leaf)
		return;
	if (!USER_VA(e->va) && leaf_at(c->cr3, e->va, &page, &writable) && page != e->child)
		sim_fail("I11: CPU %u goes on with PCID %u, by which %#lx is frame %u, and it is "
			 "frame %u now",
			 cpu, c->pcid, e->va, e->child, page);
	if (USER_VA(e->va) && m && !m->mm->lock.owner)
		check_granted(c, e, m->name);
}

void oracle_take_back(const struct sim_cpu *c, const struct sim_aside *a)
{
	u32 root = (u32)(c->cr3 >> PAGE_SHIFT);

	if (a->edges && (a->root != c->cr3 || a->generation != frame_generation(root)))
		sim_fail("I10: CPU %u goes on with PCID %u on frame %u, and has it of another root",
			 (unsigned)(c - sim.cpu), c->pcid, root);
	for (unsigned i = 0; i < a->edges; i++)
		check_kept(c, &a->edge[i], mm_of_root(c->cr3));
}

/* The last thing the thread has learnt of the frame; NULL: nothing. */
static const struct sim_learned *learned(const struct sim_thread *t, u32 frame)
{
	for (unsigned i = t->learnt; i > 0 && i + ARRAY_SIZE(t->learned) > t->learnt; i--) {
		const struct sim_learned *l = &t->learned[(i - 1) % ARRAY_SIZE(t->learned)];

		if (l->frame == frame)
			return l;
	}
	return NULL;
}

void oracle_walk_read(struct sim_thread *t, const u64 *slot, u64 value)
{
	u32 table = frame_at(slot), child = (u32)((value & PTE_ADDR) >> PAGE_SHIFT);
	const struct sim_learned *l = learned(t, table);
	bool freed = l && l->generation != frame_generation(table);

	if (l && l->stale)
		sim_fail("I3: a walker reads frame %u, which a freed table's entry named", table);
	if (freed && t->walk == SIM_WALK_PROTECTED)
		sim_fail("I7: a walker reads table %u, which was freed during its walk", table);
	if (value & PTE_PRESENT && child < FRAMES)
		t->learned[t->learnt++ % ARRAY_SIZE(t->learned)] =
			(struct sim_learned){ child, frame_generation(child), freed };
}

/* A page is looked at again when its reference is dropped: any good reason will do. */
void oracle_walk_page(const struct sim_thread *t, u32 frame)
{
	bool bad = false;

	for (unsigned i = 0; i < MIN(t->learnt, ARRAY_SIZE(t->learned)); i++) {
		if (t->learned[i].frame != frame)
			continue;
		if (!t->learned[i].stale)
			return;
		bad = true;
	}
	if (bad)
		sim_fail("I3: a walker takes page %u, which only a freed table's entry named",
			 frame);
}

static void note(struct sim_watch *w, unsigned i)
{
	bool writable;
	u32 page, generation;
	u64 e = leaf_at(w->root, w->start + i * PAGE_SIZE, &page, &writable);

	if (!(e & PTE_USER) || (w->flags & GUP_WRITE && !writable))
		return;
	generation = frame_generation(page);
	for (u32 j = 0; j < w->seens[i]; j++)
		if (w->seen[i][j].frame == page && w->seen[i][j].generation == generation)
			return;
	if (w->seens[i] == SIM_SEEN)
		sim_fail("more pages at one address than a watch can note");
	w->seen[i][w->seens[i]].frame = page;
	w->seen[i][w->seens[i]++].generation = generation;
}

static unsigned active; /* watches */

void oracle_reset(void)
{
	active = 0;
}

void oracle_watches(void)
{
	for (unsigned t = 0; active && t < sim.threads; t++) {
		struct sim_watch *w = &sim.thread[t].watch;

		for (unsigned i = 0; w->active && i < w->count; i++)
			note(w, i);
	}
}

void watch_begin(struct mm *mm, u64 start, u32 count, unsigned flags)
{
	struct sim_thread *t = sim_thread();
	struct sim_watch *w = &t->watch;

	*w = (struct sim_watch){ .active = true,
				 .mm = mm,
				 .root = mm->root,
				 .start = start,
				 .count = MIN(count, SIM_PINS),
				 .flags = flags,
				 .before = t->counts,
				 .irq_was_on = sim_irq_enabled() };
	t->learnt = 0;
	active++;
	oracle_watches();
}

/* What has become visible meanwhile was not noted; what is mapped now is. */
void watch_restore(const struct sim_watch *watch)
{
	struct sim_watch *w = &sim_thread()->watch;

	*w = *watch;
	if (w->active)
		oracle_watches();
}

void watch_lock_free(u32 pinned)
{
	const struct sim_thread *t = sim_thread();
	const struct sim_watch *w = &t->watch;

	if (t->counts.irq_changes != w->before.irq_changes)
		sim_fail("I12: the interrupt flag was changed");
	if (t->counts.stores != w->before.stores)
		sim_fail("I12: a store beside the page reference");
	/* A compare-and-swap may fail; a reference taken in vain is dropped. */
	if (t->counts.locked - w->before.locked < pinned)
		sim_fail("I12: pages without a reference of their own");
}

void watch_end(const paddr_t *pages, u32 count)
{
	struct sim_watch *w = &sim_thread()->watch;

	w->active = false;
	active--;
	if (sim_irq_enabled() != w->irq_was_on)
		sim_fail("I12: interrupts are not as they were");
	for (u32 i = 0; i < MIN(count, w->count); i++) {
		u32 frame = (u32)(pages[i] >> PAGE_SHIFT), j = 0;

		while (j < w->seens[i] && (w->seen[i][j].frame != frame ||
					   w->seen[i][j].generation != frame_generation(frame)))
			j++;
		if (j == w->seens[i])
			sim_fail("I13: frame %u is pinned for %#lx, which never mapped it so "
				 "during the call",
				 frame, w->start + i * PAGE_SIZE);
		if (!frames[frame].allocated)
			sim_fail("I13: frame %u is pinned and free", frame);
	}
}
