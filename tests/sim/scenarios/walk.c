/* SPDX-License-Identifier: BSD-2-Clause */
/* The schemes in which something holds the freeing of tables up while a reader walks. */
#include "guest/cpu/irq.h"
#include "guest/cpu/memory.h"
#include "guest/flush/flush.h"
#include "guest/mm/switch.h"
#include "guest/mm/walk.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

#define LIMIT 1u

static struct mm *a;
static paddr_t bait;

static void begin(void)
{
	a = scene_mm("A");
	scene_map(a, VA_A, 1, PROT_WRITE);
	scene_touch(a, VA_A, 1);
	scene_map(a, VA_B, 1, PROT_WRITE);
	scene_touch(a, VA_B, 1);
	bait = page_alloc();
	page_put(bait);
}

static void set_scheme(const char *name, bool unsafe)
{
	const char *why_not = walk_set_scheme(name, unsafe);

	if (why_not)
		sim_fail("%s", why_not);
}

static void pin(void *va)
{
	paddr_t page;

	for (int i = 0; i < 2; i++)
		gup_unpin(&page, scene_gup_only(a, (u64)va, 1, GUP_WRITE, &page));
}

static void unmap(void *arg)
{
	(void)arg;
	EXPECT(mm_unmap(a, VA_A, PAGE_SIZE) == 0);
	walk_poll();
	scene_reuse(2, bait);
	EXPECT(mm_unmap(a, VA_B, PAGE_SIZE) == 0);
	walk_poll();
	scene_reuse(4, bait);
	walk_poll();
}

static void readers_and_unmapper(void)
{
	scene_thread(0, "pin", a, pin, (void *)VA_A);
	scene_thread(1, "unmap", a, unmap, NULL);
	scene_thread(2, "pin", a, pin, (void *)VA_B);
}

static void set_up_irqoff(void)
{
	begin();
	set_scheme("irqoff", true);
	readers_and_unmapper();
}

static void set_up_rcu(void)
{
	begin();
	set_scheme("rcu", false);
	readers_and_unmapper();
}

static void set_up_counter(void)
{
	begin();
	set_scheme("counter", false);
	readers_and_unmapper();
}

/* The reader's CPU has another thread to run. */
static void idle_about(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		mem_load(&scene_word[0]);
		thread_yield();
	}
}

static void unmap_and_wait(void *arg)
{
	(void)arg;
	EXPECT(mm_unmap(a, VA_A, PAGE_SIZE) == 0);
	walk_quiesce();
	EXPECT(walk_backlog() == 0);
	scene_reuse(2, bait);
}

static void set_up_rcu_preempt(void)
{
	begin();
	set_scheme("rcu", false);
	scene_thread(0, "pin", a, pin, (void *)VA_A);
	scene_thread(0, "kernel", NULL, idle_about, NULL);
	scene_thread(1, "unmap", a, unmap_and_wait, NULL);
}

/* As an interrupt handler does in user mode: nobody waits for its CPU. */
static void pin_at_rest(void *va)
{
	paddr_t page;

	for (int i = 0; i < 2; i++) {
		bool was = irq_save();

		walk_rest();
		gup_unpin(&page, scene_gup_only(a, (u64)va, 1, GUP_WRITE, &page));
		walk_rest_end();
		irq_restore(was);
	}
}

static void set_up_rcu_rest(void)
{
	begin();
	set_scheme("rcu", false);
	scene_thread(0, "pin", a, pin_at_rest, (void *)VA_A);
	scene_thread(1, "unmap", a, unmap_and_wait, NULL);
}

/*
 * The smallest reader of rcu, and a long walk: what it found linked is not free before it passes
 * again. Word 0: unlinked; word 1: free.
 */
static void pass_and_walk(void *arg)
{
	(void)arg;
	for (int i = 0; i < 4; i++) {
		bool linked;

		preempt_disable();
		mm_use(a); /* a switch */
		schedule_focus(16);
		linked = !mem_load(&scene_word[0]);
		for (int step = 0; step < 12; step++)
			mem_load(&scene_word[2]);
		EXPECT(!linked || !mem_load(&scene_word[1]));
		preempt_enable();
	}
}

static void unlink_and_wait(void *arg)
{
	struct flush_request all = { .targets = a->cpus };
	paddr_t table = page_alloc();

	(void)arg;
	mem_exchange(&scene_word[0], 1);
	flush_tlb(&all);
	walk_retire_table(a, table);
	walk_quiesce();
	mem_store(&scene_word[1], 1);
}

static void set_up_rcu_pass(void)
{
	begin();
	set_scheme("rcu", false);
	scene_thread(0, "read", a, pass_and_walk, NULL);
	scene_thread(1, "unlink", a, unlink_and_wait, NULL);
}

static void set_up_refusal(void)
{
	begin();
	EXPECT(!walk_set_scheme("irqoff", false) == (flush_backend()->id == HF_BACKEND_IPI));
	EXPECT(!walk_set_scheme("irqoff", true));
	EXPECT(walk_set_scheme("nonsense", true));
	set_scheme("seq", false);
	scene_thread(0, "pin", a, pin, (void *)VA_A);
}

/* Plain stores in the reader, whatever the flush is. */
static void set_up_counter_forced(void)
{
	static const struct walk_scheme forced = { "counter", gup_counter, true, false };

	begin();
	walk_scheme = &forced;
	readers_and_unmapper();
}

/* A walk of an mm that the CPU does not run. */
static void look(void *va)
{
	struct sim_thread *t = sim_thread();
	pte_t entry[ROOT_LEVEL];

	for (int i = 0; i < 2; i++) {
		t->learnt = 0;
		t->walk = SIM_WALK_PROTECTED;
		walk_entries(a, (u64)va, entry);
		t->walk = SIM_WALK_LOCKED;
	}
}

static void set_up_remote(void)
{
	begin();
	if (sim_choose(2))
		set_scheme("counter", false);
	scene_thread(0, "look", NULL, look, (void *)VA_A);
	scene_thread(1, "unmap", a, unmap, NULL);
	scene_thread(2, "look", NULL, look, (void *)VA_B);
}

static void unmap_bounded(void *arg)
{
	(void)arg;
	EXPECT(mm_unmap(a, VA_A, PAGE_SIZE) == 0);
	EXPECT(walk_backlog() <= LIMIT);
	EXPECT(mm_unmap(a, VA_B, PAGE_SIZE) == 0);
	EXPECT(walk_backlog() <= LIMIT);
}

/* The unmapper waits once more than so many tables do. */
static void set_up_limits(void)
{
	begin();
	set_scheme(sim_choose(2) ? "counter" : "counter-xchg", false);
	walk_set_limit(LIMIT);
	scene_thread(0, "pin", a, pin, (void *)VA_A);
	scene_thread(1, "unmap", a, unmap_bounded, NULL);
	scene_thread(2, "pin", a, pin, (void *)VA_B);
}

/* An interrupt walks in the middle of a walk. */
static void nested(void)
{
	paddr_t page;

	if (!sim_thread()->guest.mm)
		return;
	gup_unpin(&page, scene_gup_only(a, VA_B, 1, 0, &page));
}

static void set_up_nested(void)
{
	begin();
	set_scheme((const char *const[]){ "seq", "counter", "counter-xchg" }[sim_choose(3)], false);
	sim.handler = nested;
	readers_and_unmapper();
}

/* A thread that is alone on its CPU, of the kernel or of the mm, and never sleeps. */
static void yield_alone(void *arg)
{
	(void)arg;
	while (!mem_load(&scene_word[0]))
		thread_yield();
}

static void unmap_and_tell(void *arg)
{
	(void)arg;
	EXPECT(mm_unmap(a, VA_A, PAGE_SIZE) == 0);
	EXPECT(walk_backlog() == 0);
	mem_store(&scene_word[0], 1);
	scene_reuse(2, bait);
}

static void set_up_rcu_alone(void)
{
	begin();
	set_scheme("rcu", false);
	walk_set_limit(0);
	scene_thread(0, "alone", sim_choose(2) ? a : NULL, yield_alone, NULL);
	scene_thread(1, "unmap", a, unmap_and_tell, NULL);
}

/* The host does not run the reader's CPU by itself any more, once it has descheduled it. */
static void set_up_yield(void)
{
	begin();
	set_scheme(sim_choose(2) ? "counter" : "counter-xchg", false);
	walk_set_limit(0);
	sim.cpu[0].starved = true;
	scene_thread(0, "pin", a, pin, (void *)VA_A);
	scene_thread(1, "unmap", a, unmap_and_tell, NULL);
}

/* Whoever polls may free a table as soon as it waits. */
static void poll(void *arg)
{
	(void)arg;
	for (int i = 0; i < 8; i++) {
		walk_poll();
		EXPECT(walk_backlog() <= 4); /* tables of `a` */
	}
}

static void set_up_backlog(void)
{
	begin();
	set_scheme(sim_choose(2) ? "rcu" : "counter-xchg", false);
	scene_thread(0, "unmap", a, unmap, NULL);
	scene_thread(1, "poll", NULL, poll, NULL);
}

/* Whoever unmapped or whoever walked has freed the tables: nobody else looks after them. */
static void nothing_left_behind(void)
{
	EXPECT(walk_scheme->defers || walk_backlog() == 0);
}

static void no_backlog(void)
{
	walk_poll();
	walk_poll();
	EXPECT(walk_backlog() == 0);
}

const struct sim_scenario walk_scenarios[] = {
	{ .name = "walk-irqoff",
	  .what = "interrupts off, and the flush is one",
	  .cpus = 3,
	  .flush = "ipi",
	  .setup = set_up_irqoff },
	{ .name = "walk-irqoff-kvm",
	  .what = "the same, but preempted vCPUs are not waited for",
	  .cpus = 3,
	  .flush = "kvm",
	  .setup = set_up_irqoff,
	  .fails = "I" },
	{ .name = "walk-irqoff-hypercall",
	  .what = "the same, and the host flushes: the bug of 2009",
	  .cpus = 3,
	  .flush = "hyperflush hyperv",
	  .setup = set_up_irqoff,
	  .fails = "I" },
	{ .name = "walk-rcu",
	  .what = "tables wait for switches",
	  .cpus = 3,
	  .setup = set_up_rcu,
	  .check = no_backlog },
	{ .name = "walk-rcu-preempt",
	  .what = "the reader shares its CPU",
	  .cpus = 2,
	  .setup = set_up_rcu_preempt,
	  .check = no_backlog },
	{ .name = "walk-rcu-pass",
	  .what = "a long walk right after its CPU has passed the scheduler",
	  .cpus = 2,
	  .flush = "hyperv",
	  .setup = set_up_rcu_pass,
	  .check = no_backlog },
	{ .name = "walk-rcu-rest",
	  .what = "readers whose CPU is at rest",
	  .cpus = 2,
	  .setup = set_up_rcu_rest,
	  .check = no_backlog },
	{ .name = "walk-rcu-alone",
	  .what = "a thread alone on its CPU, which yields to nobody",
	  .cpus = 2,
	  .setup = set_up_rcu_alone,
	  .check = no_backlog },
	{ .name = "walk-refusal",
	  .what = "irqoff is for the ipi flush",
	  .cpus = 1,
	  .setup = set_up_refusal },
	{ .name = "walk-counter",
	  .what = "tables wait for even counts, flush as fence",
	  .cpus = 3,
	  .setup = set_up_counter,
	  .check = no_backlog },
	{ .name = "walk-counter-hyperv",
	  .what = "plain counts under a flush that is no fence",
	  .cpus = 3,
	  .flush = "hyperv",
	  .setup = set_up_counter_forced,
	  .fails = "I7" },
	{ .name = "walk-counter-posted",
	  .what = "plain counts under a flush that is not waited for",
	  .cpus = 3,
	  .flush = "lowered",
	  .setup = set_up_counter_forced,
	  .fails = "I" },
	{ .name = "walk-limits",
	  .what = "the backlog is bounded",
	  .cpus = 3,
	  .setup = set_up_limits,
	  .check = no_backlog },
	{ .name = "walk-yield",
	  .what = "a reader that the host does not run, at the bound",
	  .cpus = 2,
	  .flush = "kvm",
	  .setup = set_up_yield,
	  .check = no_backlog },
	{ .name = "walk-backlog",
	  .what = "the backlog is counted while others free it",
	  .cpus = 2,
	  .setup = set_up_backlog },
	{ .name = "walk-nested",
	  .what = "interrupts walk too",
	  .cpus = 3,
	  .setup = set_up_nested,
	  .check = no_backlog },
	{ .name = "walk-remote",
	  .what = "walks of an mm that runs elsewhere",
	  .cpus = 3,
	  .setup = set_up_remote,
	  .check = nothing_left_behind },
	{ 0 },
};
