/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/mm/exit.h"

#include "guest/cpu/irq.h"
#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/flush.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/gather.h"
#include "guest/mm/held.h"
#include "guest/mm/page.h"
#include "guest/mm/pgtable.h"
#include "guest/mm/switch.h"
#include "guest/mm/table.h"
#include "guest/mm/vma.h"
#include "guest/mm/zap.h"
#include "guest/sched/spinlock.h"
#include "guest/sched/thread.h"

static struct {
	enum exit_strategy strategy;
	struct spinlock lock; /* of the list; taken with interrupts off */
	struct mm *first;     /* exited mms, through next_dead, until no CR3 holds them */
	u32 busy;	      /* lock-free: mms that exit or go, and are not on the list */
	struct thread *reaper;
	bool news; /* lock-free: for the reaper */
	struct exit_counters counters;
} dead = { .strategy = EXIT_CR3REF };

static const char *const strategy_names[EXIT_STRATEGY_COUNT] = {
#define EXIT_NAME(id, name) name,
	EXIT_STRATEGIES(EXIT_NAME)
#undef EXIT_NAME
};

bool exit_set_strategy(const char *name)
{
	for (u32 i = 0; i < EXIT_STRATEGY_COUNT; i++) {
		if (strcmp(strategy_names[i], name) == 0) {
			mem_store(&dead.strategy, (enum exit_strategy)i);
			return true;
		}
	}
	return false;
}

void exit_counters(struct exit_counters *out)
{
	out->exits = mem_load(&dead.counters.exits);
	out->freed = mem_load(&dead.counters.freed);
	out->detaches = mem_load(&dead.counters.detaches);
	out->moved = mem_load(&dead.counters.moved);
	out->dirty = mem_load(&dead.counters.dirty);
}

/* `freed` first: an exit in between must not look as if it were over. */
u32 exit_pending(void)
{
	u64 freed = mem_load(&dead.counters.freed);

	return (u32)(mem_load(&dead.counters.exits) - freed);
}

/* mm->lock held. One flush for each full batch, and for what is left. */
static void zap_all(struct mm *mm)
{
	struct mmu_gather *g = gather_begin(mm);

	zap_range(g, 0, USER_END);
	debt_settle(gather_end(g));
}

/* What is left when all is unmapped. */
static void check_bare(const struct mm *mm)
{
	if (mm->mapped || mm->tables != 1)
		panic("exit: %lu pages and %lu tables are left of an mm", mm->mapped, mm->tables);
}

/* Without VMAs the root's entries go, and all that hangs on them after the one flush. */
static void unmap_whole(struct mm *mm)
{
	mm_lock(mm);
	vma_remove(mm, 0, USER_END);
	zap_all(mm);
	check_bare(mm);
	mm_unlock(mm);
}

/* While the VMAs are there the tables stay, and pages go one by one. */
static void unmap_in_batches(struct mm *mm)
{
	mm_lock(mm);
	zap_all(mm);
	mm_unlock(mm);
	unmap_whole(mm);
}

/* The references of the CPUs that were moved are ours now; the caller holds another one. */
static void detach(struct mm *mm)
{
	struct cpumask lazy, moved;

	cpumask_copy(&lazy, &mm->cpus);
	if (cpumask_empty(&lazy) || !flush_detach(mm->root, pt_kernel_root(), &lazy, &moved))
		return;
	mem_add(&dead.counters.detaches, 1);
	for_each_cpu (cpu, &moved) {
		mem_add(&dead.counters.moved, 1);
		cpumask_clear_atomic(&mm->cpus, cpu);
		root_put(mm);
	}
}

void exit_leave_root(void)
{
	bool was = irq_save();

	mm_leave_lazy();
	exit_wake_reaper();
	irq_restore(was);
}

static void list_add(struct mm *mm)
{
	bool was = spin_lock_irq(&dead.lock);

	mm->next_dead = dead.first;
	dead.first = mm;
	spin_unlock_irq(&dead.lock, was);
}

/* root_put() where there is time: no reaper need be woken for the last one. */
static void drop_here(struct mm *mm)
{
	if (mem_add(&mm->root_refs, -1u) == 0)
		exit_reap();
}

void exit_mm(struct mm *mm)
{
	static void (*const take_down[EXIT_STRATEGY_COUNT])(struct mm * mm) = {
		[EXIT_BATCH] = unmap_in_batches,
		[EXIT_FULLMM] = unmap_whole,
		[EXIT_CR3REF] = NULL,
		[EXIT_DETACH] = detach,
	};
	enum exit_strategy strategy = mem_load(&dead.strategy);

	ASSERT(mem_load(&mm->users) == 0 && thread_current()->mm != mm);
	mem_add(&dead.busy, 1);
	mem_add(&dead.counters.exits, 1);
	exit_leave_root();
	if (take_down[strategy])
		take_down[strategy](mm);
	list_add(mm);
	mem_add(&dead.busy, -1u);
	drop_here(mm);
}

void exit_root_gone(void)
{
	mem_store(&dead.news, true);
}

void exit_wake_reaper(void)
{
	struct thread *reaper = mem_load(&dead.reaper);

	if (mem_load(&dead.news) && reaper && mem_exchange(&dead.news, false))
		thread_wake(reaper);
}

/* Whoever takes it off the list tears it down. Nobody takes a reference from zero. */
static struct mm *take_dead(void)
{
	bool was = spin_lock_irq(&dead.lock);
	struct mm **at = &dead.first, *mm;

	while ((mm = *at) && mem_load(&mm->root_refs))
		at = &mm->next_dead;
	if (mm) {
		mem_add(&dead.busy, 1); /* before it is off the list: exit_hurry() */
		*at = mm->next_dead;
	}
	spin_unlock_irq(&dead.lock, was);
	return mm;
}

/*
 * No reader, no CR3: nothing walks these tables, so nothing in them is cleared, and
 * dirty bits are read without a locked instruction.
 */
static void tear_down(struct mm *mm)
{
	for (u32 i = 0; i < USER_ENTRIES; i++) {
		pte_t e = pte_read((pte_t *)phys_to_virt(mm->root) + i);

		if (e & PTE_PRESENT)
			gather_free_table(mm, pte_addr(e), ROOT_LEVEL - 1);
	}
	check_bare(mm);
	ASSERT(cpumask_empty(&mm->cpus));
	vma_free_all(mm);
	gather_destroy(mm->gather);
	table_free(mm->root);
	mem_add(&dead.counters.dirty, mm->dirty);
	page_put(virt_to_phys(mm));
	mem_add(&dead.counters.freed, 1);
	mem_add(&dead.busy, -1u);
}

u32 exit_reap(void)
{
	u32 count = 0;
	struct mm *mm;

	while ((mm = take_dead())) {
		tear_down(mm);
		count++;
	}
	return count;
}

void exit_wait_reaped(void)
{
	while (exit_pending()) {
		exit_leave_root(); /* this CPU may be who holds one */
		exit_reap();
		thread_yield();
	}
}

static void reaper_main(void *arg)
{
	(void)arg;
	for (;;) {
		exit_reap();
		thread_block();
	}
}

void exit_start_reaper(u32 cpu)
{
	ASSERT(!dead.reaper);
	mem_store(&dead.reaper, thread_create("reaper", cpu, reaper_main, NULL));
}

static bool hold_root(struct mm *mm)
{
	u32 refs = mem_load(&mm->root_refs);

	while (refs && !mem_cas(&mm->root_refs, &refs, refs + 1))
		continue;
	return refs;
}

/* A reference to a dead mm that has more than its root left; NULL: there is none. */
static struct mm *hold_hostage(void)
{
	bool was = spin_lock_irq(&dead.lock);
	struct mm *mm = dead.first;

	while (mm && (mem_load(&mm->tables) == 1 || !hold_root(mm)))
		mm = mm->next_dead;
	spin_unlock_irq(&dead.lock, was);
	return mm;
}

/* True: there was something to take. */
static bool take_hostages(void)
{
	bool found = held_drain();
	struct mm *mm;

	while ((mm = hold_hostage())) {
		found = true;
		detach(mm);
		if (mem_load(&mm->root_refs) > 1)
			unmap_whole(mm);
		drop_here(mm);
	}
	return exit_reap() || found; /* also those that wait for the reaper only */
}

/*
 * A dead mm is in `busy`, on the list, in `busy` again, and then counted as freed. So `busy` is
 * looked at before the list and after it, and the count last: none is missed. Whoever is in
 * `busy` waits neither for memory nor for the caller.
 */
bool exit_hurry(void)
{
	u64 freed = mem_load(&dead.counters.freed);

	exit_leave_root();
	for (;;) {
		bool busy = mem_load(&dead.busy), found = take_hostages();

		busy |= mem_load(&dead.busy) != 0;
		if (found || mem_load(&dead.counters.freed) != freed)
			return true;
		if (!busy)
			return false;
		thread_yield();
	}
}

bool exit_try_again(bool *last)
{
	if (*last)
		return false;
	*last = !exit_hurry();
	return true;
}
