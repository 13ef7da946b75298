/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/mm/walk.h"
#include "guest/flush/flush.h"
#include "guest/lib/string.h"
#include "guest/mm/grace.h"
#include "guest/sched/thread.h"

enum { SEQ, IRQOFF, RCU, COUNTER, COUNTER_XCHG };

static const struct walk_scheme schemes[] = {
	[SEQ] = { "seq", gup_seq, false, false },
	[IRQOFF] = { "irqoff", gup_irqoff, false, false },
	[RCU] = { "rcu", gup_rcu, true, true },
	[COUNTER] = { "counter", gup_counter, true, false },
	[COUNTER_XCHG] = { "counter-xchg", gup_counter_xchg, true, false },
};

/*
 * Flushes that meet H1 to H4. kvm: a running target takes an interrupt, a preempted one
 * was left to the host by a compare-and-swap after U1. xen and hyperflush: every
 * running target leaves guest mode before the call returns; elided is both. Hyper-V promises less:
 * that the flushes' effects can be observed.
 */
static const bool flush_is_fence[HF_BACKEND_COUNT] = {
	[HF_BACKEND_IPI] = true,	[HF_BACKEND_KVM] = true,    [HF_BACKEND_XEN] = true,
	[HF_BACKEND_HYPERFLUSH] = true, [HF_BACKEND_ELIDED] = true,
};

const struct walk_scheme *walk_scheme = &schemes[SEQ];

static struct {
	u32 limit;  /* of the tables that wait */
	u32 remote; /* lock-free: walks of walk_entries() under way */
} walk = { .limit = 1024 };

static const struct walk_scheme *find_scheme(const char *name)
{
	for (u32 i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (!strcmp(schemes[i].name, name))
			return &schemes[i];
	}
	return NULL;
}

static const char *why_not_irqoff(enum hf_backend flush)
{
	switch (flush) {
	case HF_BACKEND_IPI:
		return NULL;
	case HF_BACKEND_KVM:
		return "irqoff: the kvm flush does not wait for preempted vCPUs, and they may be "
		       "in a walk";
	default:
		return "irqoff: only the ipi flush waits for walkers that have disabled interrupts";
	}
}

const char *walk_set_scheme(const char *name, bool unsafe)
{
	const struct walk_scheme *s = find_scheme(name);
	enum hf_backend flush = flush_backend()->id;

	if (!s)
		return "no walk scheme of that name: seq, irqoff, rcu, counter, counter-xchg";
	if (s == &schemes[IRQOFF] && !unsafe && why_not_irqoff(flush))
		return why_not_irqoff(flush);
	if (s == &schemes[COUNTER] && !flush_is_fence[flush])
		s = &schemes[COUNTER_XCHG];
	walk_quiesce(); /* by the counts of the scheme they wait in */
	walk_scheme = s;
	return NULL;
}

void walk_set_limit(u32 limit)
{
	walk.limit = limit;
}

void walk_poll(void)
{
	while (grace_poll())
		;
}

/* Asks the host to run the vCPU that holds the tables up: it may be descheduled in a walk. */
static void yield_to_blocker(void)
{
	u32 blocker = grace_blocker();

	if (blocker < GUEST_MAX_CPUS && blocker != cpu_id())
		flush_yield_to(blocker);
}

/*
 * Waits until at most `most` tables wait. This thread is in no walk. A walk ends in a
 * bounded number of steps of its CPU and waits for nobody, so the wait ends, whatever locks
 * are held here; in rcu every CPU must yield, tick, idle or see user mode some time. The
 * alternative at the bound, to leave empty tables linked, would give collapse nothing.
 */
static void wait_for_backlog(u64 most)
{
	for (;;) {
		bool was = irq_save();

		walk_quiescent();
		irq_restore(was);
		walk_poll();
		if (grace_backlog() <= most)
			return;
		yield_to_blocker();
		thread_yield();
	}
}

/*
 * A remote walker counts itself (locked) before it loads an entry; the unlink, locked
 * too, came before the look at `remote`. So either it sees the unlink or it is seen here.
 */
static bool must_wait(const struct mm *mm)
{
	if (!mem_load(&mm->users))
		return false;
	return walk_scheme->defers || mem_load(&walk.remote);
}

void walk_retire_table(const struct mm *mm, paddr_t table)
{
	if (!must_wait(mm)) {
		table_free(table);
		return;
	}
	grace_defer(table);
	if (grace_backlog() > walk.limit)
		wait_for_backlog(walk.limit);
	else
		walk_poll();
}

u64 walk_backlog(void)
{
	return grace_backlog();
}

void walk_quiesce(void)
{
	wait_for_backlog(0);
}

static unsigned read_entries(paddr_t table, u64 va, pte_t out[ROOT_LEVEL])
{
	unsigned n = 0;

	for (unsigned level = ROOT_LEVEL; level; level--) {
		pte_t e = pte_read(table_slot(table, va, level));

		out[n++] = e;
		if (!(e & PTE_PRESENT) || pte_is_leaf(e, level))
			break;
		table = pte_addr(e);
	}
	return n;
}

unsigned walk_entries(const struct mm *mm, u64 va, pte_t out[ROOT_LEVEL])
{
	unsigned n;
	bool outermost;

	preempt_disable();
	mem_add(&walk.remote, 1);
	outermost = walk_enter_fenced(this_mm_cpu());
	n = read_entries(mm->root, va, out);
	walk_exit(this_mm_cpu(), outermost);
	mem_add(&walk.remote, -1u);
	preempt_enable();
	if (grace_backlog())
		walk_poll(); /* what this walk may have held up */
	return n;
}
