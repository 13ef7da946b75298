/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/abi/probe.h"

#include "guest/cpu/msr.h"
#include "guest/cpu/tlb.h"
#include "guest/mm/page.h"
#include "guest/mm/pgtable.h"
#include "guest/sched/thread.h"

enum order { ORDER_REFILL = 1, ORDER_LOOK, ORDER_RUN, ORDER_END };

#define ORDER_BITS 3u
#define TAG_SLOT   60u /* none of the slots that change */

/* One a CPU. The order and the answer are handed over by their numbers. */
struct probe {
	_Alignas(CACHE_LINE) u64 ordered; /* number << ORDER_BITS | enum order; CPU 0 writes it */
	_Alignas(CACHE_LINE) u64 done;	  /* the same word, when it is carried out */
	u32 stale;			  /* slots, after ORDER_LOOK */
	probe_job *fn;			  /* for ORDER_RUN, as the next two */
	void *arg;
	u64 result;
	struct thread *thread;
	struct probes *all;
};

struct probes {
	struct arena *arena;
	struct cpumask cpus;
	u64 generation, orders;
	bool armed_here; /* CPU 0 is on its arena root */
	struct probe probe[GUEST_MAX_CPUS];
};

static const u32 slots[PROBE_SLOTS] = { PROBE_SLOT_0, PROBE_SLOT_1, PROBE_SLOT_2 };

/* On the arena's root. */
static void refill(void)
{
	for (u32 i = 0; i < PROBE_SLOTS; i++) {
		tlb_flush_page(arena_va(slots[i]));
		(void)arena_read(slots[i]);
	}
}

static u32 stale_slots(u64 generation)
{
	u32 stale = 0;

	for (u32 i = 0; i < PROBE_SLOTS; i++)
		stale |= (u32)(arena_read(slots[i]) != generation) << i;
	return stale;
}

static void probe_main(void *arg)
{
	struct probe *me = arg;
	u32 polls = 0;

	preempt_disable();
	root_load(me->all->arena->cpu[cpu_id()].root);
	for (;;) {
		/* Acquire: pairs with the release in order(); the entries are stored. */
		u64 ordered = __atomic_load_n(&me->ordered, __ATOMIC_ACQUIRE);
		enum order o = (enum order)(ordered & ((1u << ORDER_BITS) - 1));

		if (ordered == me->done) {
			cpu_poll(&polls);
			continue;
		}
		if (o == ORDER_END)
			break;
		if (o == ORDER_REFILL)
			refill();
		else if (o == ORDER_RUN)
			me->result = me->fn(me->arg);
		else
			me->stale = stale_slots(me->all->generation);
		__atomic_store_n(&me->done, ordered, __ATOMIC_RELEASE); /* pairs with await() */
	}
	root_load(pt_kernel_root());
	preempt_enable();
}

/* Each root's tag is a page with the number of its CPU. */
static void tag_roots(struct arena *a)
{
	for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
		u64 *page = kzalloc(PAGE_SIZE);

		*page = cpu;
		pte_write(&a->cpu[cpu].leaf[TAG_SLOT],
			  virt_to_phys(page) | PTE_PRESENT | PTE_WRITE | PTE_NX);
	}
}

u64 probe_whose_root(void *unused)
{
	(void)unused;
	tlb_flush_page(arena_va(TAG_SLOT));
	return arena_read(TAG_SLOT);
}

struct probes *probes_create(void)
{
	struct probes *p = kzalloc(sizeof(*p));

	p->arena = arena_create();
	tag_roots(p->arena);
	return p;
}

u32 probe_stale(const struct probes *p, u32 cpu)
{
	return p->probe[cpu].stale;
}

paddr_t probe_root(const struct probes *p, u32 cpu)
{
	return p->arena->cpu[cpu].root;
}

static void order(struct probes *p, u32 cpu, enum order o)
{
	__atomic_store_n(&p->probe[cpu].ordered, p->orders << ORDER_BITS | o, __ATOMIC_RELEASE);
}

static void await(struct probes *p, u32 cpu)
{
	struct probe *probe = &p->probe[cpu];
	u32 polls = 0;

	while (__atomic_load_n(&probe->done, __ATOMIC_ACQUIRE) != probe->ordered)
		cpu_poll(&polls);
}

static void order_all(struct probes *p, enum order o)
{
	p->orders++;
	for_each_cpu (cpu, &p->cpus)
		if (cpu)
			order(p, cpu, o);
	for_each_cpu (cpu, &p->cpus)
		if (cpu)
			await(p, cpu);
}

void probe_post(struct probes *p, u32 cpu, probe_job *fn, void *arg)
{
	p->probe[cpu].fn = fn;
	p->probe[cpu].arg = arg;
	p->orders++;
	order(p, cpu, ORDER_RUN);
}

u64 probe_wait(struct probes *p, u32 cpu)
{
	await(p, cpu);
	return p->probe[cpu].result;
}

u64 probe_run(struct probes *p, u32 cpu, probe_job *fn, void *arg)
{
	probe_post(p, cpu, fn, arg);
	return probe_wait(p, cpu);
}

static void start(struct probes *p, u32 cpu)
{
	struct probe *probe = &p->probe[cpu];

	probe->all = p;
	probe->ordered = probe->done = 0;
	if (cpu)
		probe->thread = thread_create("probe", cpu, probe_main, probe);
}

static void end(struct probes *p, u32 cpu)
{
	if (!cpu)
		return;
	p->orders++;
	order(p, cpu, ORDER_END);
	thread_join(p->probe[cpu].thread);
}

void probes_use(struct probes *p, const struct cpumask *cpus)
{
	if (cpumask_equal(&p->cpus, cpus))
		return;
	for_each_cpu (cpu, &p->cpus)
		if (!cpumask_test(cpus, cpu))
			end(p, cpu);
	for_each_cpu (cpu, cpus)
		if (!cpumask_test(&p->cpus, cpu))
			start(p, cpu);
	p->cpus = *cpus;
}

static void map_next(struct probes *p)
{
	u64 g = ++p->generation;

	for (u32 i = 0; i < PROBE_SLOTS; i++) {
		arena_stamp(p->arena, slots[i], g);
		for_each_cpu (cpu, &p->cpus)
			arena_map(p->arena, cpu, slots[i], g, 0);
	}
}

/* A probe caches one generation's entries; the next has other frames, so what it reads tells. */
void probes_arm(struct probes *p)
{
	map_next(p);
	order_all(p, ORDER_REFILL);
	if (cpumask_test(&p->cpus, 0)) {
		preempt_disable();
		p->armed_here = true;
		root_load(p->arena->cpu[0].root);
		refill();
	}
	map_next(p);
}

u32 probes_look(struct probes *p, u32 cover, u32 *worst)
{
	u32 stale = 0, count = 0;

	if (p->armed_here) {
		stale = p->probe[0].stale = stale_slots(p->generation);
		count = !!(stale & cover);
		root_load(pt_kernel_root());
		p->armed_here = false;
		preempt_enable();
	}
	order_all(p, ORDER_LOOK);
	for_each_cpu (cpu, &p->cpus) {
		if (!cpu)
			continue;
		stale |= p->probe[cpu].stale;
		count += !!(p->probe[cpu].stale & cover);
	}
	if (worst)
		*worst = count;
	return stale & cover;
}
