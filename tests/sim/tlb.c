/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a CPU's TLB and paging-structure caches may hold (SDM vol. 3 4.10). A real
 * CPU walks its tables at any time, also speculatively, and keeps what it found
 * for as long as it likes. So a set has in it every entry that was present
 * in a table the CPU could walk at any time since it was last flushed: tables that its
 * CR3 leads to, and those which an entry in the set leads to, linked or not. A walk in
 * flight that is held up between two levels knows no more than that.
 *
 * With PCIDs that set is the current one's, and each other PCID has one aside, which nothing
 * grows and nobody uses (4.10.3.2): until CR3 has that PCID again, with bit 63 set.
 */
#include "guest/mm/page.h"
#include "guest/mm/vmap.h"
#include "tests/sim/frames.h"
#include "tests/sim/oracle.h"
#include "tests/sim/schedule.h"

#define ROOT	   4u /* level */
#define USER_SLOTS (PT_ENTRIES / 2)
#define AD	   (PTE_ACCESSED | PTE_DIRTY)

static unsigned cpu_number(const struct sim_cpu *c)
{
	return (unsigned)(c - sim.cpu);
}

static u64 *table_at(u32 frame)
{
	return (u64 *)(void *)(frames_ram + (u64)frame * PAGE_SIZE);
}

static u64 level_reach(unsigned level)
{
	return 1ull << (PAGE_SHIFT + 9 * (level - 1));
}

static u64 slot_va(u64 base, unsigned level, unsigned index)
{
	u64 va = base + index * level_reach(level);

	return va & 1ull << 47 ? va | 0xffff000000000000u : va;
}

static void walk_table(struct sim_cpu *c, u32 table, unsigned level, u64 base, bool fresh);

/* `fresh`: the set was empty of this, so it is not looked for. */
static void add_edge(struct sim_cpu *c, u64 *slot, u64 value, unsigned level, u64 va, bool fresh)
{
	bool leaf = level == 1 || value & PTE_LARGE;
	u32 child = (u32)((value & PTE_ADDR) >> PAGE_SHIFT);

	for (unsigned i = 0; !fresh && i < c->edges; i++) {
		if (c->edge[i].slot != slot || c->edge[i].va != va ||
		    (c->edge[i].value ^ value) & ~AD)
			continue;
		if (!leaf)
			walk_table(c, child, level - 1, va, false);
		return;
	}
	if (child >= FRAMES)
		sim_fail("I1: CPU %u may walk entry %#lx, which leads beyond RAM", cpu_number(c),
			 value);
	if (c->edges == SIM_EDGES)
		sim_fail("a simulated TLB is full");
	c->edge[c->edges++] = (struct sim_edge){ va,
						 slot,
						 value & ~AD,
						 child,
						 frame_generation(child),
						 (u8)level,
						 leaf,
						 (value & PTE_DIRTY) != 0 };
	if (!leaf) {
		frames[child].walked |= (u8)(1u << cpu_number(c));
		walk_table(c, child, level - 1, va, fresh);
	}
}

static void walk_slots(struct sim_cpu *c, u64 *table, unsigned level, u64 base, unsigned from,
		       unsigned to, bool fresh)
{
	for (unsigned i = from; i < to; i += 8) {
		u64 any = 0;

		for (unsigned j = i; j < i + 8; j++)
			any |= table[j];
		for (unsigned j = i; any && j < i + 8; j++)
			if (table[j] & PTE_PRESENT)
				add_edge(c, &table[j], table[j], level, slot_va(base, level, j),
					 fresh);
	}
}

/* Of the kernel's half only the vmap arena's entries ever change. */
static void walk_table(struct sim_cpu *c, u32 table, unsigned level, u64 base, bool fresh)
{
	unsigned vmap = VMAP_BASE >> 39 & (PT_ENTRIES - 1);

	if (level == ROOT) {
		walk_slots(c, table_at(table), level, base, 0, USER_SLOTS, fresh);
		if (table_at(table)[vmap] & PTE_PRESENT)
			add_edge(c, &table_at(table)[vmap], table_at(table)[vmap], level,
				 slot_va(base, level, vmap), fresh);
		return;
	}
	walk_slots(c, table_at(table), level, base, 0, PT_ENTRIES, fresh);
}

static void walk_root(struct sim_cpu *c, bool fresh)
{
	if (!c->cr3)
		return;
	frames[c->cr3 >> PAGE_SHIFT].walked |= (u8)(1u << cpu_number(c));
	walk_table(c, (u32)(c->cr3 >> PAGE_SHIFT), ROOT, 0, fresh);
}

/* Keeps the edges for which keep() says so; what is still linked comes back at once. */
static void filter(struct sim_cpu *c, bool (*keep)(const struct sim_edge *e, const void *arg),
		   const void *arg)
{
	u8 bit = (u8)(1u << cpu_number(c));
	unsigned kept = 0;

	if (c->cr3)
		frames[c->cr3 >> PAGE_SHIFT].walked &= (u8)~bit;
	for (unsigned i = 0; i < c->edges; i++)
		if (!c->edge[i].leaf)
			frames[c->edge[i].child].walked &= (u8)~bit;
	for (unsigned i = 0; i < c->edges; i++) {
		if (!keep || !keep(&c->edge[i], arg))
			continue;
		if (!c->edge[i].leaf)
			frames[c->edge[i].child].walked |= bit;
		c->edge[kept++] = c->edge[i];
	}
	c->edges = kept;
}

static bool is_global(const struct sim_edge *e, const void *arg)
{
	(void)arg;
	return e->leaf && e->value & PTE_GLOBAL;
}

/* Tables that are unlinked, but still in a paging-structure cache. */
static void walk_kept(struct sim_cpu *c)
{
	unsigned kept = c->edges;

	for (unsigned i = 0; i < kept; i++) {
		const struct sim_edge e = c->edge[i];

		if (!e.leaf)
			walk_table(c, e.child, e.level - 1u, e.va, false);
	}
}

static void put_aside(struct sim_cpu *c)
{
	struct sim_aside *a = &c->aside[c->pcid];

	a->root = c->cr3;
	a->generation = frame_generation((u32)(c->cr3 >> PAGE_SHIFT));
	a->edges = 0;
	for (unsigned i = 0; i < c->edges; i++)
		if (!is_global(&c->edge[i], NULL))
			a->edge[a->edges++] = c->edge[i];
}

/* What is known by the PCID that CR3 has now is in use again. */
static void take_back(struct sim_cpu *c)
{
	struct sim_aside *a = &c->aside[c->pcid];
	unsigned before[SIM_CPUS];

	oracle_take_back(c, a);
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++)
		before[cpu] = sim.cpu[cpu].edges;
	for (unsigned i = 0; i < a->edges; i++) {
		if (c->edges == SIM_EDGES)
			sim_fail("a simulated TLB is full");
		c->edge[c->edges++] = a->edge[i];
		if (!a->edge[i].leaf)
			frames[a->edge[i].child].walked |= (u8)(1u << cpu_number(c));
	}
	walk_kept(c);
	oracle_coherence(before);
}

/* Drops what is aside, or with keep() all that it does not say is kept. */
static void filter_aside(struct sim_cpu *c, bool (*keep)(const struct sim_edge *e, const void *arg),
			 const void *arg)
{
	for (unsigned pcid = 0; pcid <= sim.pcids; pcid++) {
		struct sim_aside *a = &c->aside[pcid];
		unsigned kept = 0;

		for (unsigned i = 0; keep && i < a->edges; i++)
			if (keep(&a->edge[i], arg))
				a->edge[kept++] = a->edge[i];
		a->edges = kept;
	}
}

void tlb_load_cr3(struct sim_cpu *c, u64 cr3)
{
	unsigned pcid = cr3 & (PAGE_SIZE - 1);
	bool keep = cr3 >> 63;

	if (pcid > sim.pcids || (keep && !sim.pcids))
		sim_fail("CPU %u writes %#lx to CR3: #GP, or PCIDs that it has not", cpu_number(c),
			 cr3);
	if (sim.pcids)
		put_aside(c);
	filter(c, is_global, NULL);
	c->cr3 = cr3 & PTE_ADDR;
	c->pcid = pcid;
	if (keep)
		take_back(c);
	c->aside[pcid].edges = 0;
	walk_root(c, c->edges == 0);
}

void tlb_forget_user(struct sim_cpu *c)
{
	filter_aside(c, NULL, NULL);
	filter(c, is_global, NULL);
	walk_root(c, c->edges == 0);
}

void tlb_forget_all(struct sim_cpu *c)
{
	filter_aside(c, NULL, NULL);
	filter(c, NULL, NULL);
	walk_root(c, true);
}

static bool is_other_leaf(const struct sim_edge *e, const void *arg)
{
	u64 va = *(const u64 *)arg;

	return e->leaf && (va < e->va || va - e->va >= level_reach(e->level));
}

/* INVLPG forgets all paging-structure caches too; all of the current PCID only (4.10.4.1). */
static void forget_page(struct sim_cpu *c, u64 va)
{
	filter(c, is_other_leaf, &va);
	walk_root(c, false);
}

/* What a host that flushes by ranges leaves: tables too, unless it was told of them. */
static bool outside_ranges(const struct sim_edge *e, const void *arg)
{
	const struct flush_request *req = arg;

	if (!e->leaf)
		return !(req->flags & FLUSH_TABLES);
	for (unsigned i = 0; i < req->nr_ranges; i++) {
		u64 start = req->ranges[i].start, bytes = req->ranges[i].pages * PAGE_SIZE;

		if (e->va < start + bytes && start < e->va + level_reach(e->level))
			return false;
	}
	return true;
}

void tlb_flush_request(struct sim_cpu *c, const struct flush_request *req)
{
	if (sim.logging)
		timeline_add(cpu_number(c), "~ flushed%s",
			     c->running ? "" : " before it runs again");
	if (req->nr_ranges) {
		filter_aside(c, outside_ranges, req);
		filter(c, outside_ranges, req);
		walk_kept(c);
		walk_root(c, false);
	} else if (req->flags & FLUSH_GLOBALS) {
		tlb_forget_all(c);
	} else {
		tlb_forget_user(c);
	}
}

/* A table that several entries lead to is walked at the address of each. */
void tlb_entry_changed(u64 *slot, u64 value)
{
	u32 table = frame_at(slot);
	unsigned index = (unsigned)((u64)slot % PAGE_SIZE / sizeof(u64));
	unsigned before[SIM_CPUS];

	if (!(value & PTE_PRESENT))
		return;
	for (unsigned cpu = 0; cpu < sim.cpus; cpu++) {
		struct sim_cpu *c = &sim.cpu[cpu];
		unsigned edges = before[cpu] = c->edges;

		if (!(frames[table].walked >> cpu & 1))
			continue;
		if (c->cr3 >> PAGE_SHIFT == table) {
			add_edge(c, slot, value, ROOT, slot_va(0, ROOT, index), false);
			continue;
		}
		for (unsigned i = 0; i < edges; i++) {
			const struct sim_edge e = c->edge[i];

			if (!e.leaf && e.child == table)
				add_edge(c, slot, value, e.level - 1u,
					 slot_va(e.va, e.level - 1u, index), false);
		}
	}
	oracle_coherence(before);
}

void sim_write_cr3(u64 cr3)
{
	struct sim_cpu *c = sim_cpu();
	u64 root = cr3 & PTE_ADDR;

	sim_step();
	memory_drain(c);
	if (sim.logging)
		timeline_add(sim.self, "CR3 = frame %lu, PCID %lu%s", root >> PAGE_SHIFT,
			     cr3 & (PAGE_SIZE - 1), cr3 >> 63 ? ", keeps" : "");
	oracle_root_load(c, root);
	tlb_load_cr3(c, cr3);
}

void sim_invlpg(u64 va)
{
	struct sim_cpu *c = sim_cpu();

	sim_step();
	memory_drain(c);
	if (sim.logging)
		timeline_add(sim.self, "INVLPG %#lx", va);
	forget_page(c, va);
}

/* Whether the entry is still as the CPU found it: it sets bits by a locked compare-and-swap. */
static bool unchanged(const struct sim_edge *e)
{
	return !((*e->slot ^ e->value) & ~AD);
}

void tlb_set_accessed(struct sim_cpu *c)
{
	struct sim_edge *e;

	if (!c->edges)
		return;
	e = &c->edge[sim_choose(c->edges)];
	if (!unchanged(e) || *e->slot & PTE_ACCESSED)
		return;
	if (sim.logging)
		timeline_add(cpu_number(c), "~ sets A for %#lx, level %u", e->va, e->level);
	memory_commit(c, e->slot, sizeof(u64), *e->slot | PTE_ACCESSED, false);
}

u32 tlb_translate(struct sim_cpu *c, u64 va, bool write)
{
	struct sim_edge *found[8], *e;
	unsigned n = 0;

	for (unsigned i = 0; i < c->edges && n < ARRAY_SIZE(found); i++) {
		e = &c->edge[i];
		if (e->leaf && va >= e->va && va - e->va < level_reach(e->level) &&
		    e->value & PTE_USER &&
		    (!write || (e->value & PTE_WRITE && (e->dirty || unchanged(e)))))
			found[n++] = e;
	}
	if (!n)
		return 0;
	e = found[sim_choose(n)];
	e->dirty |= write;
	if (unchanged(e)) {
		u64 bits = PTE_ACCESSED | (write ? PTE_DIRTY : 0);

		if (write && !(*e->slot & PTE_DIRTY))
			sim.hardware_dirty++;
		memory_commit(c, e->slot, sizeof(u64), *e->slot | bits, false);
	}
	return e->child + (u32)((va - e->va) >> PAGE_SHIFT);
}
