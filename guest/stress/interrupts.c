/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One CPU does nothing but gup_fast_only() of many pages, another interrupts it all the
 * time. The handler looks how far the walk has come: if some pages are there, but not
 * all, the interrupt was taken in its midst. With irqoff that never happens.
 */
#include "guest/cpu/apic.h"
#include "guest/cpu/irq.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/gup.h"
#include "guest/mm/walk.h"
#include "guest/sched/thread.h"
#include "guest/selftest/selftest.h"
#include "guest/stress/pattern.h"
#include "guest/stress/stress.h"

#define PINNED 256u
#define TARGET 1u /* CPU */

static struct probe {
	struct mm *mm;
	bool over;	   /* lock-free */
	bool walking;	   /* the interrupted thread is between call and return */
	u64 calls;	   /* lock-free */
	u32 handled;	   /* lock-free */
	u64 sent;	   /* TSC, before the interrupt that `handled` does not count yet */
	u64 inside, worst; /* of the handler */
	paddr_t page[PINNED];
} probe;

static void take_interrupt(struct trap_frame *frame)
{
	u64 late = rdtsc() - mem_load(&probe.sent);

	(void)frame;
	if (mem_load(&probe.walking) && mem_load(&probe.page[0]) &&
	    !mem_load(&probe.page[PINNED - 1]))
		probe.inside++;
	probe.worst = MAX(probe.worst, late);
	mem_add(&probe.handled, 1);
}

static void walk_on(void *arg)
{
	(void)arg;
	while (!mem_load(&probe.over)) {
		memset(probe.page, 0, sizeof(probe.page));
		mem_store(&probe.walking, true);
		u32 got = gup_fast_only(probe.mm, SELFTEST_VA, PINNED, 0, probe.page);

		mem_store(&probe.walking, false);
		gup_unpin(probe.page, got);
		if (got != PINNED)
			panic("interrupts: %u pages pinned of %u", got, PINNED);
		mem_add(&probe.calls, 1);
	}
}

static void interrupt(u64 random)
{
	u32 handled = mem_load(&probe.handled), polls = 0;

	for (u32 wait = random_below(&random, 5000); wait; wait--)
		cpu_poll(&polls);
	mem_store(&probe.sent, rdtsc());
	apic_send(TARGET, VECTOR_TEST);
	while (mem_load(&probe.handled) == handled)
		cpu_poll(&polls);
}

static void run(struct mm *mm, u64 count, u64 seed)
{
	struct thread *t;
	u32 polls = 0;

	probe = (struct probe){ .mm = mm };
	t = thread_create("gup", TARGET, walk_on, NULL);
	while (!mem_load(&probe.calls))
		cpu_poll(&polls);
	for (u64 i = 0; i < count; i++)
		interrupt(seed + i);
	mem_store(&probe.over, true);
	thread_join(t);
}

void stress_interrupts(const struct stress *s)
{
	static const char *const schemes[] = { "irqoff", "rcu", "counter", "seq" };
	const char *in_force = walk_scheme->name;
	u64 count = MAX(s->rounds, 100ul);
	struct mm *mm;

	if (cpu_count() < 2) {
		ktap_skip("interrupts: they need 2 CPUs");
		return;
	}
	ktap_begin("interrupts during gup_fast");
	mm = selftest_make_mm(PINNED);
	irq_register(VECTOR_TEST, take_interrupt);
	for (u32 i = 0; i < ARRAY_SIZE(schemes); i++) {
		bool control = !strcmp(schemes[i], "irqoff");

		walk_set_scheme(schemes[i], true); /* nobody unmaps: irqoff is safe here */
		run(mm, count, s->seed);
		ktap_ok(control ? !probe.inside : probe.inside,
			"%s%s: %lu of %lu interrupts came inside a walk, the latest after %lu "
			"ticks%s",
			control ? "control, " : "", schemes[i], probe.inside, count, probe.worst,
			!control && !probe.inside ? ": no evidence" : "");
	}
	irq_unregister(VECTOR_TEST);
	walk_set_scheme(in_force, true);
	mm_put(mm);
	ktap_end();
}
