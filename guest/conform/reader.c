/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/reader.h"

#include "guest/cpu/apic.h"
#include "guest/cpu/irq.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/tlb.h"
#include "guest/lib/harness.h"
#include "guest/lib/print.h"
#include "guest/mm/pgtable.h"

static u64 oldest_read(const struct readers *r)
{
	u64 oldest = UINT64_MAX;

	for (u32 s = 0; s < r->slots; s++)
		oldest = MIN(oldest, arena_read(r->first_slot + s));
	return oldest;
}

/* Reads, and judges each generation once: at the first read after its publication. */
static bool judge(struct readers *r, struct reader *me)
{
	/* Acquire: pairs with the release in readers_publish(); the reads below come later. */
	u64 generation = __atomic_load_n(&r->published, __ATOMIC_ACQUIRE);

	if (generation == READERS_STOP)
		return false;
	u64 oldest = oldest_read(r);

	if (generation == me->acknowledged)
		return true;
	me->checked++;
	if (oldest < generation)
		me->stale++;
	__atomic_store_n(&me->acknowledged, generation, __ATOMIC_RELEASE);
	return true;
}

/* Interrupts are off from the look at `published` to the HLT, so the wake-up is not lost. */
static void halt_until_published(struct readers *r, struct reader *me)
{
	irq_disable();
	__atomic_store_n(&me->halting, me->acknowledged, __ATOMIC_RELEASE);
	while (__atomic_load_n(&r->published, __ATOMIC_ACQUIRE) == me->acknowledged) {
		irq_enable_and_halt();
		irq_disable();
	}
	irq_enable();
}

static void reader_main(void *arg)
{
	struct readers *r = arg;
	struct reader *me = &r->reader[cpu_id()];
	u64 cr4 =
		read_cr4() | CR4_PGE; /* the kernel runs with it: a flush that left it off shows */
	u32 polls = 0;

	preempt_disable();
	root_load(r->arena->cpu[cpu_id()].root);
	while (judge(r, me)) {
		if (r->watch_cr4 && read_cr4() != cr4)
			me->cr4_changes++;
		if (r->mode == READER_HALT)
			halt_until_published(r, me);
		cpu_poll(&polls);
	}
	root_load(pt_kernel_root());
	preempt_enable();
}

static void on_wake(struct trap_frame *frame)
{
	(void)frame; /* having woken is all */
}

/* For good: a wake-up may still be on its way to a CPU whose reader has ended. */
static void take_vector(void)
{
	static bool taken; /* boot CPU only */

	if (!taken)
		irq_register(VECTOR_TEST, on_wake);
	taken = true;
}

void readers_prepare(struct readers *r, u64 generation)
{
	for (u32 s = 0; s < r->slots; s++) {
		arena_stamp(r->arena, r->first_slot + s, generation);
		for_each_cpu (cpu, &r->cpus)
			arena_map(r->arena, cpu, r->first_slot + s, generation, r->entry_flags);
	}
}

void readers_start(struct readers *r)
{
	ASSERT(!cpumask_test(&r->cpus, cpu_id()));
	if (r->mode == READER_HALT)
		take_vector();
	readers_prepare(r, 1);
	r->published = 1;
	for_each_cpu (cpu, &r->cpus) {
		r->reader[cpu] = (struct reader){ 0 };
		r->reader[cpu].thread = thread_create("reader", cpu, reader_main, r);
	}
	readers_wait(r, 1);
	/* Generation 1 was mapped before anyone could have cached anything: it proves nothing. */
	for_each_cpu (cpu, &r->cpus)
		r->reader[cpu].checked = r->reader[cpu].stale = 0;
}

void readers_publish(struct readers *r, u64 generation)
{
	/* Release: pairs with judge(); whoever sees it must see the new entries. */
	__atomic_store_n(&r->published, generation, __ATOMIC_RELEASE);
}

void readers_wait(struct readers *r, u64 generation)
{
	if (r->mode == READER_HALT)
		apic_send_mask(&r->cpus, VECTOR_TEST);
	u32 polls = 0;

	for_each_cpu (cpu, &r->cpus)
		while (__atomic_load_n(&r->reader[cpu].acknowledged, __ATOMIC_ACQUIRE) !=
		       generation)
			cpu_poll(&polls);
}

void readers_interrupt(struct readers *r)
{
	u32 polls = 0;

	take_vector();
	for_each_cpu (cpu, &r->cpus) {
		u64 before = irq_count(cpu, VECTOR_TEST);

		apic_send(cpu, VECTOR_TEST);
		while (irq_count(cpu, VECTOR_TEST) == before)
			cpu_poll(&polls);
	}
}

/* Asks until the host has put the vCPU to sleep. False: this host cannot tell. */
static bool wait_blocked(u32 cpu)
{
	struct harness_page page;

	do {
		page = (struct harness_page){ .op = HARNESS_BLOCKED, .blocked = { .vcpu = cpu } };
		if (harness_call(&page) != HARNESS_EOK)
			return false;
	} while (!page.blocked.now);
	return true;
}

void readers_wait_halted(struct readers *r, u64 generation)
{
	u32 polls = 0;

	for_each_cpu (cpu, &r->cpus) {
		while (__atomic_load_n(&r->reader[cpu].halting, __ATOMIC_ACQUIRE) != generation)
			cpu_poll(&polls);
		if (!wait_blocked(cpu))
			return;
	}
}

struct readers_outcome readers_stop(struct readers *r)
{
	struct readers_outcome sum = { 0 };

	__atomic_store_n(&r->published, READERS_STOP, __ATOMIC_RELEASE);
	if (r->mode == READER_HALT)
		apic_send_mask(&r->cpus, VECTOR_TEST);
	for_each_cpu (cpu, &r->cpus) {
		thread_join(r->reader[cpu].thread);
		sum.checked += r->reader[cpu].checked;
		sum.stale += r->reader[cpu].stale;
		sum.cr4_changes += r->reader[cpu].cr4_changes;
	}
	return sum;
}
