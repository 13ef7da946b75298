/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/detach.c, with vmm/flush.c below it, in every order of their steps (explorer.h), between
 * vCPU threads with a model of what surrounds them: KVM_RUN, the kick's signal, and a guest
 * that counts the references to its roots. Each mutant of detach.c in mutants/detach/ must
 * fail here.
 *
 * A vCPU that has a root in CR3 holds a reference to it. The initiator drops those
 * of the vCPUs in its moved set, the guest its own when it leaves. A root is free
 * when its last reference is gone; nobody may have it in CR3 then.
 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "atomics.h"

#include "explorer.h"
#include "vmm/detach.h"

/* vCPU i of a scenario is target i * SPREAD, so that the sets have several banks. */
#define SPREAD	     40u
#define TARGETS	     (EXPLORER_MAX_THREADS * SPREAD)
#define INSTRUCTIONS 2u
#define ROOTS	     3u /* the kernel's, which is never freed, and two of user space */
#define MAX_CALLS    4u

#define ROOT(n) ((uint64_t)(n) << 12)
/* Each call names the kernel's root in its own way, so that it is known by it. */
#define TO_ROOT(call) ROOT(16 + (call))

/* A guest that wants its root back: LAZY to ACTIVE, use it, load the kernel's, drop it. */
enum guest_state { IDLE, CLAIMING, USING, DROPPING };

struct vcpu {
	bool signal_pending; /* the kick; blocked outside KVM_RUN, so it stays until it is taken */
	bool exit_pending;   /* KVM finishes it at the next KVM_RUN, with this root: */
	uint64_t exit_root;
	uint64_t cr3;
	uint64_t word; /* the lazy word */
	enum guest_state guest;
	unsigned own;	 /* the root it is on, lazily at first */
	unsigned moves;	 /* by the VMM */
	unsigned handed; /* times it was in a moved set */
};

struct call {
	uint64_t from;
	bool in_progress;
};

static struct machine {
	/*
	 * What each vCPU does. First the root that it is lazily on, then a letter a step:
	 *   r  KVM_RUN that ends by itself     x  the same, and KVM has something left to do
	 *   h  KVM_RUN that halts until it is kicked, H again and again
	 *   a  KVM_RUN in which the guest claims its root, uses it and leaves it
	 *   d  detach all others from root 1   e  from root 2   D  from root 1, without patience
	 */
	const char *programs[EXPLORER_MAX_THREADS];
	int moves; /* that must come of it all, or -1 */
	unsigned vcpus;
	struct flush_target targets[TARGETS];
	struct detach_slot slots[TARGETS];
	struct flush_service service;
	struct vcpu vcpu[EXPLORER_MAX_THREADS];
	unsigned references[ROOTS];
	struct call calls[MAX_CALLS];
	unsigned call_count;
} machine;

static bool is_kicked(void *ctx, unsigned id)
{
	return ((struct machine *)ctx)->vcpu[id].signal_pending;
}

static void kick(void *ctx, unsigned index)
{
	struct machine *m = ctx;

	explorer_point();
	if (index % SPREAD || index / SPREAD >= m->vcpus)
		explorer_fail("kick of a vCPU outside the set");
	m->vcpu[index / SPREAD].signal_pending = true;
}

static void barrier(void *ctx)
{
	(void)ctx;
	explorer_fail("a barrier, where answers are waited for");
}

static void drop(struct machine *m, unsigned root)
{
	if (!m->references[root])
		explorer_fail("a reference is dropped twice");
	if (--m->references[root])
		return;
	for (unsigned i = 0; i < m->vcpus; i++) {
		if (m->vcpu[i].cr3 == ROOT(root))
			explorer_fail("a root is freed that is in a CR3");
		if (m->vcpu[i].exit_pending && m->vcpu[i].exit_root == ROOT(root))
			explorer_fail("a root is freed that a pending exit uses");
	}
}

static void claim(struct vcpu *v)
{
	uint64_t root = v->word & ~(uint64_t)0xfff;

	if (v->cr3 != root)
		explorer_fail("the lazy word and CR3 differ");
	v->guest = v->word & HF_LAZY ? USING : IDLE;
	v->word = root | HF_ACTIVE;
}

static void execute(struct machine *m, struct vcpu *v)
{
	switch (v->guest) {
	case CLAIMING:
		claim(v);
		break;
	case USING:
		if (v->cr3 != ROOT(v->own) || v->word != (v->cr3 | HF_ACTIVE))
			explorer_fail("an active root is taken away");
		v->cr3 = ROOT(0);
		v->word = ROOT(0) | HF_ACTIVE;
		v->guest = DROPPING;
		break;
	case DROPPING:
		drop(m, v->own);
		v->guest = IDLE;
		break;
	case IDLE:
		break;
	}
}

static void finish_exit(struct vcpu *v)
{
	if (v->exit_pending && v->cr3 != v->exit_root)
		explorer_fail("CR3 changes under a pending exit");
	v->exit_pending = false;
}

/* True: EINTR. */
static bool kvm_run(struct machine *m, struct vcpu *v, char step, bool immediate_exit)
{
	explorer_point();
	finish_exit(v);
	if (immediate_exit)
		return true;
	if (step == 'a' && v->guest == IDLE && v->cr3 == ROOT(v->own))
		v->guest = CLAIMING;
	for (unsigned i = 0; i < INSTRUCTIONS || (step == 'a' && v->guest != IDLE); i++) {
		explorer_point();
		if (v->signal_pending)
			return true;
		execute(m, v);
	}
	if (step == 'h')
		explorer_wait(is_kicked, true);
	if (step == 'x') {
		v->exit_pending = true;
		v->exit_root = v->cr3;
		return false;
	}
	return v->signal_pending;
}

static void check_call(const struct machine *m, const struct detach_roots *roots)
{
	for (unsigned i = 0; i < m->call_count; i++)
		if (roots->to == TO_ROOT(i) && roots->from == m->calls[i].from &&
		    m->calls[i].in_progress)
			return;
	explorer_fail("a request is served that nobody waits for");
}

/* As vmm/vcpu.c does it; test_vcpu_detach.c has the original. */
static void move_root(struct machine *m, unsigned id)
{
	struct detach_slot *slot = &m->slots[(size_t)id * SPREAD];
	struct vcpu *v = &m->vcpu[id];
	struct detach_roots roots;

	if (!detach_take(slot, &roots))
		return;
	check_call(m, &roots);
	explorer_point();
	bool moved = v->word == (roots.from | HF_LAZY);

	if (moved)
		v->word = roots.to | HF_MOVED;
	explorer_point();
	check_call(m, &roots);
	if (moved) {
		v->cr3 = roots.to;
		v->moves++;
	}
	detach_done(slot, moved);
}

/* True: KVM_RUN may only finish an exit. */
static bool carry_out(struct machine *m, unsigned id)
{
	if (detach_posted(&m->slots[(size_t)id * SPREAD])) {
		if (m->vcpu[id].exit_pending) {
			flush_defer(&m->targets[(size_t)id * SPREAD]);
			return true;
		}
		move_root(m, id);
	}
	return false;
}

/* False if nothing but an exit has been finished. */
static bool run_once(struct machine *m, unsigned id, char step)
{
	struct flush_target *t = &m->targets[(size_t)id * SPREAD];
	struct vcpu *v = &m->vcpu[id];
	bool immediate_exit = flush_enter(t) && carry_out(m, id);
	bool interrupted = kvm_run(m, v, step, immediate_exit);

	explorer_point();
	flush_leave(t);
	explorer_point();
	if (interrupted)
		v->signal_pending = false; /* perhaps also one that came after the run */
	return !immediate_exit;
}

static void run_vcpu(struct machine *m, unsigned id, char step)
{
	while (!run_once(m, id, step))
		;
}

static void take_over(struct machine *m, unsigned root, const struct vcpu_set *moved, unsigned self)
{
	for (unsigned i = 0; i < TARGETS; i++) {
		if (!vcpu_set_test(moved, i))
			continue;
		if (i % SPREAD || i / SPREAD >= m->vcpus || i / SPREAD == self)
			explorer_fail("somebody is in the moved set who was not asked");
		m->vcpu[i / SPREAD].handed++;
		drop(m, root);
	}
}

static void detach(struct machine *m, unsigned id, unsigned root, uint32_t deadline_us)
{
	unsigned n = m->call_count++;
	struct detach_roots roots = { ROOT(root), TO_ROOT(n) };
	struct vcpu_set set = { 0 }, moved;

	m->calls[n] = (struct call){ ROOT(root), true };
	for (unsigned i = 0; i < m->vcpus; i++)
		if (i != id)
			vcpu_set_add(&set, i * SPREAD);
	detach_request(&m->service, m->slots, id * SPREAD, &set, &roots, deadline_us, &moved);
	m->calls[n].in_progress = false;
	explorer_point();
	take_over(m, root, &moved, id);
}

static void thread(void *ctx, unsigned id)
{
	struct machine *m = ctx;

	for (const char *p = m->programs[id] + 1; *p; p++) {
		switch (*p) {
		case 'd':
		case 'D':
			detach(m, id, 1, *p == 'd' ? 1000 : 0);
			break;
		case 'e':
			detach(m, id, 2, 1000);
			break;
		case 'H':
			for (;;)
				run_vcpu(m, id, 'h');
		default:
			run_vcpu(m, id, *p);
		}
	}
}

static void reset(void *ctx)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };
	struct machine *m = ctx;

	memset(m->targets, 0, sizeof(m->targets));
	memset(m->slots, 0, sizeof(m->slots));
	memset(m->vcpu, 0, sizeof(m->vcpu));
	memset(m->references, 0, sizeof(m->references));
	m->call_count = 0;
	m->service = (struct flush_service){ m->targets, TARGETS, &ops, m };
	for (unsigned i = 0; i < m->vcpus; i++) {
		unsigned root = (unsigned)(m->programs[i][0] - '0');

		m->vcpu[i].own = root;
		m->vcpu[i].cr3 = ROOT(root);
		m->vcpu[i].word = ROOT(root) | (root ? HF_LAZY : HF_ACTIVE);
		m->references[root]++;
	}
}

static void finish(void *ctx)
{
	struct machine *m = ctx;
	unsigned references[ROOTS] = { 0 }, moves = 0;

	for (unsigned i = 0; i < m->vcpus; i++) {
		const struct vcpu *v = &m->vcpu[i];

		if (v->moves != v->handed)
			explorer_fail("the moved set is not who was moved");
		if (v->cr3 == ROOT(v->own) || v->guest == DROPPING)
			references[v->own]++;
		moves += v->moves;
	}
	for (unsigned i = 0; i < TARGETS; i++)
		if (m->slots[i].state != DETACH_IDLE || m->slots[i].asking)
			explorer_fail("a slot is left in use");
	for (unsigned r = 1; r < ROOTS; r++)
		if (m->references[r] != references[r])
			explorer_fail("a reference is lost");
	if (m->moves >= 0 && moves != (unsigned)m->moves)
		explorer_fail("not as many are moved as must be");
}

static const struct scenario {
	const char *name;
	const char *programs[EXPLORER_MAX_THREADS];
	int moves;
	bool patient;
	unsigned switches;
} scenarios[] = {
	{ "target that never runs", { "0d", "1" }, 0, false, 4 },
	{ "target that never runs, and one that does", { "0d", "1", "1r" }, -1, false, 3 },
	{ "one target", { "0d", "1rr" }, -1, false, 4 },
	{ "no patience", { "0D", "1rr" }, -1, false, 4 },
	{ "on another root", { "0d", "2rH" }, 0, true, 3 },
	{ "halted target", { "0d", "1h" }, -1, false, 4 },
	{ "halted target, all the time there is", { "0d", "1H" }, 1, true, 4 },
	{ "target that claims its root", { "0d", "1ar" }, -1, false, 4 },
	{ "target that claims its root, all the time there is", { "0d", "1aH" }, -1, true, 4 },
	{ "pending exit", { "0d", "1xr" }, -1, false, 4 },
	{ "pending exit, all the time there is", { "0d", "1xxH" }, 1, true, 3 },
	{ "pending exit, then a claim", { "0d", "1xa" }, -1, false, 4 },
	{ "two targets", { "0d", "1rr", "1ar" }, -1, false, 2 },
	{ "two targets, all the time there is", { "0d", "1rH", "1H" }, 2, true, 2 },
	{ "two initiators", { "0d", "0d", "1rr" }, -1, false, 2 },
	{ "two initiators, all the time there is", { "0dH", "0dH", "1H" }, 1, true, 2 },
	{ "two initiators, two roots", { "0dH", "0eH", "1H" }, -1, true, 2 },
	{ "one after the other", { "0dd", "1rr" }, -1, false, 3 },
	{ "impatient, then patient", { "0Dd", "1H" }, 1, true, 3 },
	{ "asking each other", { "1dr", "1dr" }, -1, false, 3 },
	{ "asking each other, all the time there is", { "1dH", "1dH" }, -1, true, 4 },
	{ "asking each other, two roots", { "1eH", "2dH" }, -1, true, 3 },
	{ "asking each other, and a third", { "1dH", "1dH", "1H" }, -1, true, 2 },
};

/* Explores a scenario unless an earlier one has failed: more of the same would only take time. */
static uint64_t explore(const struct scenario *s, unsigned switches)
{
	static bool failed;
	struct explorer_scenario scenario = {
		.switches = switches,
		.patient = s->patient,
		.ctx = &machine,
		.reset = reset,
		.thread = thread,
		.finish = finish,
	};
	struct explorer_report report;

	if (failed)
		skip();
	machine = (struct machine){ .moves = s->moves };
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
	return cmocka_run_group_tests_name("detach: every order", tests, NULL, NULL);
}
