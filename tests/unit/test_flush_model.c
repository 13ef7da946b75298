/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/flush.c in every order of its steps (explorer.h), between vCPU threads
 * with a model of what surrounds it: KVM_RUN, the kick's signal, membarrier,
 * a TLB. Each mutant of flush.c in mutants/flush/ must fail here.
 *
 * A page table word of each vCPU counts up. Before a flush the vCPU raises
 * its word, after it it publishes the number; a guest instruction that uses an
 * older one than was published has a stale translation.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "explorer.h"
#include "vmm/flush.h"

/* vCPU i of a scenario is target i * SPREAD, so that the sets have several banks. */
#define SPREAD	     40u
#define TARGETS	     (EXPLORER_MAX_THREADS * SPREAD)
#define INSTRUCTIONS 2u

struct vcpu {
	bool signal_pending; /* the kick; blocked outside KVM_RUN, so it stays until it is taken */
	bool in_run;	     /* in KVM_RUN */
	bool in_guest;
	bool no_wait;	/* in a flush that must not wait for its targets */
	uint64_t runs;	/* KVM_RUNs begun */
	uint64_t named; /* flush requests that named this vCPU */
	bool cached[EXPLORER_MAX_THREADS];
	uint64_t tlb[EXPLORER_MAX_THREADS];
};

static struct machine {
	/*
	 * What each vCPU does, a letter a step:
	 *   r  KVM_RUN that ends by itself     h  KVM_RUN that halts until it is kicked
	 *   f  change, flush all but self      F  the same, self included
	 *   s  f, strong                       S  F, strong
	 */
	const char *programs[EXPLORER_MAX_THREADS];
	unsigned vcpus;
	struct flush_target targets[TARGETS];
	struct flush_service service;
	struct vcpu vcpu[EXPLORER_MAX_THREADS];
	uint64_t table[EXPLORER_MAX_THREADS];
	uint64_t published[EXPLORER_MAX_THREADS];
} machine;

static struct flush_target *target(struct machine *m, unsigned id)
{
	return &m->targets[(size_t)id * SPREAD];
}

static bool is_kicked(void *ctx, unsigned id)
{
	return ((struct machine *)ctx)->vcpu[id].signal_pending;
}

static void kick(void *ctx, unsigned index)
{
	struct machine *m = ctx;
	unsigned id = index / SPREAD;

	explorer_point();
	if (index % SPREAD || id >= m->vcpus)
		explorer_fail("kick of a vCPU outside the set");
	if (!*m->programs[id])
		explorer_fail("kick of a vCPU that has never run");
	m->vcpu[id].signal_pending = true;
}

/* membarrier(2): interrupts every CPU that runs one of our threads, one after the other. */
static void barrier(void *ctx)
{
	struct machine *m = ctx;

	for (unsigned i = 0; i < m->vcpus; i++) {
		explorer_point();
		explorer_drain(i);
		m->vcpu[i].in_guest = false;
	}
}

static void execute(struct machine *m, struct vcpu *v)
{
	for (unsigned w = 0; w < m->vcpus; w++) {
		if (!v->cached[w]) {
			v->cached[w] = true;
			v->tlb[w] = m->table[w];
		}
		if (v->tlb[w] < m->published[w])
			explorer_fail("stale translation used");
	}
}

/* KVM checks for signals with interrupts off, then enters. False: back to user space. */
static bool enter_guest(struct vcpu *v)
{
	if (v->signal_pending)
		return false;
	v->in_guest = true;
	return true;
}

/* True: EINTR. */
static bool kvm_run(struct machine *m, struct vcpu *v, bool halt)
{
	v->in_run = true;
	v->runs++;
	for (unsigned i = 0; i < INSTRUCTIONS;) {
		explorer_point();
		if (!v->in_guest && !enter_guest(v))
			break;
		explorer_point();
		if (v->in_guest) {
			execute(m, v);
			i++;
		}
	}
	v->in_guest = false;
	if (halt)
		explorer_wait(is_kicked, true);
	v->in_run = false;
	return v->signal_pending;
}

static void run_vcpu(struct machine *m, unsigned id, bool halt)
{
	struct flush_target *t = target(m, id);
	struct vcpu *v = &m->vcpu[id];

	if (flush_enter(t)) {
		explorer_point();
		memset(v->cached, 0, sizeof(v->cached));
	}
	explorer_point();
	bool interrupted = kvm_run(m, v, halt);
	explorer_point();
	flush_leave(t);
	explorer_point();
	if (interrupted)
		v->signal_pending = false; /* perhaps also one that came after the run */
}

static void flush(struct machine *m, unsigned id, bool self, bool strong)
{
	struct vcpu_set set = { 0 };
	uint64_t runs[EXPLORER_MAX_THREADS] = { 0 }, version = m->table[id] + 1;
	bool in_run[EXPLORER_MAX_THREADS] = { 0 };

	model_store(&m->table[id], sizeof(m->table[id]), version, true);
	for (unsigned i = 0; i < m->vcpus; i++) {
		if (i == id && !self)
			continue;
		set.bank[i * SPREAD / HF_BANK_BITS] |= 1ull << (i * SPREAD % HF_BANK_BITS);
		m->vcpu[i].named++;
		in_run[i] = m->vcpu[i].in_run;
		runs[i] = m->vcpu[i].runs;
	}
	m->vcpu[id].no_wait = !strong;
	flush_request(&m->service, &set, strong);
	for (unsigned i = 0; strong && i < m->vcpus; i++)
		if ((i != id || self) && in_run[i] && m->vcpu[i].in_run &&
		    m->vcpu[i].runs == runs[i])
			explorer_fail("strong flush done while a target is still in KVM_RUN");
	m->vcpu[id].cached[id] &= self; /* else the guest does its own INVLPG */
	m->published[id] = version;
}

static void thread(void *ctx, unsigned id)
{
	for (const char *p = machine.programs[id]; *p; p++) {
		if (*p == 'r' || *p == 'h')
			run_vcpu(ctx, id, *p == 'h');
		else
			flush(ctx, id, *p == 'F' || *p == 'S', *p == 's' || *p == 'S');
	}
}

static void reset(void *ctx)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };
	struct machine *m = ctx;

	memset(m->targets, 0, sizeof(m->targets));
	memset(m->vcpu, 0, sizeof(m->vcpu));
	memset(m->table, 0, sizeof(m->table));
	memset(m->published, 0, sizeof(m->published));
	m->service = (struct flush_service){ m->targets, TARGETS, &ops, m };
}

static void finish(void *ctx)
{
	struct machine *m = ctx;

	for (unsigned i = 0; i < m->vcpus; i++) {
		if (target(m, i)->flushes > m->vcpu[i].named)
			explorer_fail("a vCPU flushes more often than it was asked to");
		if (!*m->programs[i] && m->vcpu[i].named && !target(m, i)->pending)
			explorer_fail("the flush of a vCPU that has not run is gone");
	}
}

static void waits(void *ctx, unsigned id)
{
	if (((struct machine *)ctx)->vcpu[id].no_wait)
		explorer_fail("a flush that is not strong waits");
}

static const struct scenario {
	const char *name;
	const char *programs[EXPLORER_MAX_THREADS];
	unsigned switches;
} scenarios[] = {
	{ "target that never runs", { "f", "", "r" }, 3 },
	{ "target that never runs, strong", { "s", "", "r" }, 3 },
	{ "target that never runs, and self", { "S", "" }, 4 },
	{ "one flush", { "f", "rr" }, 4 },
	{ "one flush, three runs", { "f", "rrr" }, 4 },
	{ "one strong flush", { "s", "rr" }, 3 },
	{ "two flushes", { "ff", "rr" }, 3 },
	{ "two targets", { "f", "rr", "rr" }, 2 },
	{ "two targets, strong", { "s", "rr", "rr" }, 2 },
	{ "two initiators", { "f", "f", "rr" }, 3 },
	{ "two initiators, strong", { "s", "s", "rr" }, 2 },
	{ "two initiators, one of them strong", { "s", "f", "rr" }, 2 },
	{ "several initiators and targets", { "fF", "rfr", "rr" }, 2 },
	{ "halted target", { "f", "hr" }, 4 },
	{ "halted target, strong", { "s", "hr" }, 3 },
	{ "halted target, two strong initiators", { "s", "s", "hr" }, 2 },
	{ "self in the set", { "rFr", "rr" }, 3 },
	{ "self in the set, strong", { "rSr", "rr" }, 3 },
	{ "flushing each other", { "rFr", "rFr" }, 3 },
	{ "flushing each other, strong", { "rsr", "rsr" }, 3 },
	{ "flushing each other, selves in the sets", { "rSr", "rFr" }, 2 },
};

/* Explores a scenario unless an earlier one has failed: more of the same would only take time. */
static uint64_t explore(const struct scenario *s, unsigned switches)
{
	static bool failed;
	struct explorer_scenario scenario = {
		.switches = switches,
		.ctx = &machine,
		.reset = reset,
		.thread = thread,
		.at_futex_wait = waits,
		.finish = finish,
	};
	struct explorer_report report;

	if (failed)
		skip();
	machine = (struct machine){ 0 };
	memcpy(machine.programs, s->programs, sizeof(machine.programs));
	while (machine.vcpus < EXPLORER_MAX_THREADS && machine.programs[machine.vcpus])
		machine.vcpus++;
	scenario.threads = machine.vcpus;
	explorer_run(&scenario, &report);
	failed = report.failed;
	if (failed)
		fail_msg("%s: %s", s->name, report.text);
	return report.runs;
}

/* Finds most violations within a second. */
static void all_with_one_switch(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenarios); i++)
		explore(&scenarios[i], 1);
}

static void all_with_two_switches(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(scenarios); i++)
		explore(&scenarios[i], 2);
}

static void in_depth(void **state)
{
	const struct scenario *s = *state;
	uint64_t runs = explore(s, s->switches);

	print_message("             %llu orders\n", (unsigned long long)runs);
}

int main(void)
{
	struct CMUnitTest tests[2 + COUNT_OF(scenarios)] = {
		cmocka_unit_test(all_with_one_switch),
		cmocka_unit_test(all_with_two_switches),
	};

	for (size_t i = 0; i < COUNT_OF(scenarios); i++)
		tests[2 + i] = (struct CMUnitTest){ .name = scenarios[i].name,
						    .test_func = in_depth,
						    .initial_state = (void *)&scenarios[i] };
	return cmocka_run_group_tests_name("flush: every order", tests, NULL, NULL);
}
