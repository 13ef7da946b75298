/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush backends by what they do to a target, under the names guest/flush/flush.c
 * knows them by:
 *
 *   ipi          an interrupt, which IF holds off; the sender waits for all
 *   kvm          the same for running targets; others flush before they run again. Has
 *                `yield_to` too
 *   hyperflush   each running target leaves guest mode and flushes before it goes on; the
 *   xen          call waits for that. IF does not matter. hyperflush and elided have `detach` too
 *   hyperv       the flush, and what was stored through the old translations is visible: it
 *                says nothing of the target's other stores
 *   lowered      control: hyperflush, but not waited for
 *   kick         control: the interrupt without the flush
 *   none         control: nothing
 */
#include <string.h>

#include "guest/cpu/tlb.h"
#include "guest/flush/backend.h"
#include "guest/mm/flush_clock.h"
#include "tests/sim/frames.h"
#include "tests/sim/oracle.h"
#include "tests/sim/schedule.h"

/* Vectors are not simulated: there is one interrupt, and flush_serve() is its handler. */
void flush_serve(struct sim_cpu *c)
{
	u32 from = c->inbox;

	c->inbox = 0;
	for (; from; from &= from - 1) {
		struct sim_cpu *initiator = &sim.cpu[__builtin_ctz(from)];

		if (sim.logging)
			timeline_add(sim.self, "flush interrupt of CPU %u",
				     (unsigned)(initiator - sim.cpu));
		if (flush_backend()->id != HF_BACKEND_KICK)
			flush_tlb_local(initiator->request);
		sim_step();
		memory_drain(c);
		initiator->unacknowledged--;
		threads_notify(&initiator->unacknowledged);
	}
}

static void interrupt(const struct flush_request *req, const struct cpumask *remote)
{
	struct sim_cpu *me = sim_cpu();
	u32 bit = 1u << sim.self;

	if (!me->irq_on)
		sim_fail("a flush by interrupts with interrupts off: two of them would wait for "
			 "each other");
	me->request = req;
	me->unacknowledged = cpumask_weight(remote);
	for_each_cpu (cpu, remote) {
		sim_step();
		sim.cpu[cpu].inbox |= bit;
		sim.cpu[cpu].flush_pending = true;
		schedule_refresh(&sim.cpu[cpu]);
	}
	while (me->unacknowledged)
		threads_wait(&me->unacknowledged);
}

/* A host that counts on the state page flushes everything, whatever it was asked for. */
static void flush_counted(struct sim_cpu *c)
{
	u64 *count = &flush_cpu((unsigned)(c - sim.cpu))->state.flushes;

	tlb_forget_all(c);
	memory_commit(c, count, sizeof(*count), *count + 1, false);
}

static void exit_target(u32 cpu, const struct flush_request *req)
{
	sim_step();
	memory_drain(&sim.cpu[cpu]);
	if (sim.host_counts)
		flush_counted(&sim.cpu[cpu]);
	else
		tlb_flush_request(&sim.cpu[cpu], req);
}

static void hypercall_entry(void)
{
	sim_step();
	memory_drain(sim_cpu());
	if (sim.logging)
		timeline_add(sim.self, "hypercall");
}

static void exit_and_wait(const struct flush_request *req, const struct cpumask *remote)
{
	hypercall_entry();
	for_each_cpu (cpu, remote)
		exit_target(cpu, req);
}

static void only_flush(const struct flush_request *req, const struct cpumask *remote)
{
	hypercall_entry();
	for_each_cpu (cpu, remote) {
		sim_step();
		memory_drain_translated(&sim.cpu[cpu]);
		tlb_flush_request(&sim.cpu[cpu], req);
	}
}

static void post(const struct flush_request *req, const struct cpumask *remote)
{
	hypercall_entry();
	for_each_cpu (cpu, remote) {
		struct sim_cpu *c = &sim.cpu[cpu];

		if (c->posted || !c->running) {
			exit_target(cpu, req);
			continue;
		}
		c->posted_copy = *req;
		c->posted = &c->posted_copy;
		schedule_refresh(c);
	}
}

/* A vCPU that is marked preempted gets the bit, which the host sees before it enters it. */
static void interrupt_running(const struct flush_request *req, const struct cpumask *remote)
{
	struct cpumask running = *remote;

	for_each_cpu (cpu, remote) {
		sim_step();
		if (sim.cpu[cpu].running)
			continue;
		cpumask_clear(&running, cpu);
		memory_drain(sim_cpu());
		tlb_flush_request(&sim.cpu[cpu], req);
	}
	if (!cpumask_empty(&running))
		interrupt(req, &running);
}

static void do_nothing(const struct flush_request *req, const struct cpumask *remote)
{
	(void)req;
	(void)remote;
}

/*
 * The host takes the target out of guest mode, swaps its word and writes its CR3. One
 * that does not answer before the deadline is left as it is.
 */
static bool detach(paddr_t from, paddr_t to, const struct cpumask *set, struct cpumask *moved)
{
	hypercall_entry();
	for_each_cpu (cpu, set) {
		struct sim_cpu *c = &sim.cpu[cpu];
		u64 *word = &c->guest.mm.root_word;

		sim_step();
		if (sim_choose(8) == 0)
			continue;
		memory_drain(c);
		if (*word != (from | ROOT_LAZY))
			continue;
		*word = to | ROOT_MOVED;
		if (sim.logging)
			timeline_add(cpu, "~ moved to frame %lu by the host", to >> PAGE_SHIFT);
		tlb_load_cr3(c, to);
		tlb_forget_user(c);
		cpumask_set(moved, cpu);
	}
	return true;
}

static void yield_to(u32 cpu)
{
	hypercall_entry();
	schedule_resume(&sim.cpu[cpu]);
}

static const char *probe(void)
{
	return NULL;
}

#define BACKEND(upper, lower, how, moves, yields)    \
	const struct flush_backend flush_##lower = { \
		.id = HF_BACKEND_##upper,            \
		.name = #lower,                      \
		.probe = probe,                      \
		.flush = how,                        \
		.detach = moves,                     \
		.yield_to = yields,                  \
	}

BACKEND(NONE, none, do_nothing, NULL, NULL);
BACKEND(KICK, kick, interrupt, NULL, NULL);
BACKEND(IPI, ipi, interrupt, NULL, NULL);
BACKEND(KVM, kvm, interrupt_running, NULL, yield_to);
BACKEND(HYPERV, hyperv, only_flush, NULL, NULL);
BACKEND(XEN, xen, exit_and_wait, NULL, NULL);
BACKEND(HYPERFLUSH, hyperflush, exit_and_wait, detach, NULL);
BACKEND(LOWERED, lowered, post, NULL, NULL);
BACKEND(ELIDED, elided, exit_and_wait, detach, NULL);

/* guest/cpu/tlb.c's, whose instructions are not simulated. */
static void invalidate(void (*forget)(struct sim_cpu *c))
{
	bool was = irq_save();
	u64 tick = flush_clock_tick();

	sim_step();
	memory_drain(sim_cpu());
	forget(sim_cpu());
	flush_clock_publish(tick);
	irq_restore(was);
}

void tlb_flush_all(void)
{
	invalidate(tlb_forget_all);
}

void tlb_flush_contexts(void)
{
	invalidate(tlb_forget_user);
}
