/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/mm/grace.h"
#include "guest/cpu/memory.h"
#include "guest/mm/page.h"
#include "guest/mm/table.h"
#include "guest/mm/walk.h"
#include "guest/sched/spinlock.h"

static struct {
	struct spinlock lock;
	u32 waiting;  /* first frame of the list that the period serves; 0: there is no period */
	u32 arriving; /* of the list for the next one */
	u32 passed;   /* CPUs 0 to passed-1 have been outside a walk */
	u64 snapshot[GUEST_MAX_CPUS];
	u64 backlog; /* lock-free: at least those on both lists */
} grace;

static u64 read_count(u32 cpu)
{
	const struct mm_cpu *c = mm_cpu(cpu);

	return mem_load(walk_scheme->quiescent ? &c->quiescent : &c->walks);
}

/* In rcu an odd count means rest, in the other schemes a walk. */
static bool at_rest(u64 count)
{
	return (count & 1) == (walk_scheme->quiescent ? WALK_AT_REST : 0);
}

static bool has_passed(u32 cpu)
{
	return at_rest(grace.snapshot[cpu]) || read_count(cpu) != grace.snapshot[cpu];
}

/*
 * The tables came under `lock`, after their flushes, so every count read here is read
 * after them. A snapshot taken before a flush would let a reader slip in between.
 */
static void begin_period(void)
{
	grace.waiting = grace.arriving;
	grace.arriving = 0;
	grace.passed = 0;
	for (u32 i = 0; i < cpu_count(); i++)
		grace.snapshot[i] = read_count(i);
}

/* The list that need not wait any more, out of the period; 0: none. `lock` held. */
static u32 take_ripe(void)
{
	u32 ripe = grace.waiting;

	while (grace.passed < cpu_count() && has_passed(grace.passed))
		grace.passed++;
	if (grace.passed < cpu_count())
		return 0;
	grace.waiting = 0;
	return ripe;
}

bool grace_poll(void)
{
	u32 ripe = 0;
	bool was = spin_lock_irq(&grace.lock);

	if (!grace.waiting && grace.arriving)
		begin_period();
	if (grace.waiting)
		ripe = take_ripe();
	spin_unlock_irq(&grace.lock, was);
	if (!ripe)
		return false;
	while (ripe) {
		paddr_t table = (paddr_t)ripe << PAGE_SHIFT;

		ripe = page_of(table)->next;
		table_free(table);
		mem_add(&grace.backlog, -1ul);
	}
	return true;
}

void grace_defer(paddr_t table)
{
	bool was;

	mem_add(&grace.backlog, 1); /* first: on the list it may be freed any moment */
	was = spin_lock_irq(&grace.lock);
	page_of(table)->next = grace.arriving;
	grace.arriving = (u32)(table >> PAGE_SHIFT);
	spin_unlock_irq(&grace.lock, was);
}

u64 grace_backlog(void)
{
	return mem_load(&grace.backlog);
}

u32 grace_blocker(void)
{
	bool was = spin_lock_irq(&grace.lock);
	u32 cpu = grace.waiting && grace.passed < cpu_count() ? grace.passed : GUEST_MAX_CPUS;

	spin_unlock_irq(&grace.lock, was);
	return cpu;
}
