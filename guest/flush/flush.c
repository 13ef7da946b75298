/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/flush/flush.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/tlb.h"
#include "guest/flush/backend.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/flush_clock.h"
#include "guest/mm/page.h"
#include "guest/sched/thread.h"

static const struct flush_backend *const backends[HF_BACKEND_COUNT] = {
	[HF_BACKEND_NONE] = &flush_none,
	[HF_BACKEND_KICK] = &flush_kick,
	[HF_BACKEND_IPI] = &flush_ipi,
	[HF_BACKEND_KVM] = &flush_kvm,
	[HF_BACKEND_HYPERV] = &flush_hyperv,
	[HF_BACKEND_XEN] = &flush_xen,
	[HF_BACKEND_HYPERFLUSH] = &flush_hyperflush,
	[HF_BACKEND_LOWERED] = &flush_lowered,
	[HF_BACKEND_ELIDED] = &flush_elided,
};

static const enum hf_backend auto_order[] = { HF_BACKEND_HYPERV, HF_BACKEND_HYPERFLUSH,
					      HF_BACKEND_KVM, HF_BACKEND_IPI };

static struct {
	const struct flush_backend *backend; /* constant after boot */
	struct flush_cpu *cpu[GUEST_MAX_CPUS];
} flush;

struct flush_cpu *flush_cpu(unsigned cpu)
{
	return flush.cpu[cpu];
}

const struct flush_backend *flush_backend(void)
{
	return flush.backend;
}

static const char *pick_auto(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(auto_order); i++) {
		const struct flush_backend *b = backends[auto_order[i]];
		const char *why_not = b->probe();

		if (!why_not) {
			flush.backend = b;
			return NULL;
		}
		kprintf("flush: not %s: %s\n", b->name, why_not);
	}
	return "no backend";
}

static const char *pick(const char *name)
{
	if (!strcmp(name, "auto"))
		return pick_auto();
	for (unsigned i = 0; i < HF_BACKEND_COUNT; i++) {
		if (strcmp(backends[i]->name, name))
			continue;
		flush.backend = backends[i];
		return flush.backend->probe();
	}
	return "no backend of that name";
}

const char *flush_init(const char *name)
{
	const char *why_not = pick(name);

	if (why_not)
		return why_not;
	for (u32 i = 0; i < cpu_count(); i++)
		flush.cpu[i] = kzalloc(sizeof(*flush.cpu[i]));
	kprintf("flush: backend %s\n", flush.backend->name);
	if (flush.backend->init)
		flush.backend->init();
	flush_init_cpu();
	return NULL;
}

void flush_init_cpu(void)
{
	if (flush.backend->init_cpu)
		flush.backend->init_cpu();
}

void flush_tlb_local(const struct flush_request *req)
{
	u64 pages = 0;

	for (unsigned i = 0; i < req->nr_ranges; i++) {
		if (req->ranges[i].pages > FLUSH_FULL_ABOVE - pages) {
			pages = 0;
			break;
		}
		pages += req->ranges[i].pages;
	}
	if (!pages) {
		if (req->flags & FLUSH_GLOBALS)
			tlb_flush_all();
		else
			tlb_flush_user();
		return;
	}
	for (unsigned i = 0; i < req->nr_ranges; i++)
		for (u64 p = 0; p < req->ranges[i].pages; p++)
			tlb_flush_page(req->ranges[i].start + p * PAGE_SIZE);
}

/*
 * A full flush counts for the flush clock. Targets that flush themselves publish it,
 * those that the host flushes do not know: the initiator credits them, with a tick
 * from before the request and after it is done.
 */
static void flush_remote(const struct flush_request *req, const struct cpumask *remote)
{
	u64 tick = req->nr_ranges ? 0 : flush_clock_tick();

	flush.backend->flush(req, remote);
	if (tick)
		flush_clock_credit(remote, tick);
}

void flush_tlb(const struct flush_request *req)
{
	struct cpumask remote = req->targets;

	preempt_disable();
	/*
	 * The page-table stores before the backend's look at any target's state
	 * (preempted byte, run state in the host): a target that is seen as
	 * descheduled must find the new entries when it next walks.
	 */
	mem_fence();
	u32 self = cpu_id();

	if (cpumask_test(&remote, self)) {
		cpumask_clear(&remote, self);
		flush_tlb_local(req);
	}
	unsigned targets = cpumask_weight(&remote);

	if (targets) {
		struct flush_counters *c = &flush_cpu(self)->counters;

		c->flushes++;
		c->targets += targets;
		flush_remote(req, &remote);
	}
	preempt_enable();
}

bool flush_fence(const struct cpumask *targets)
{
	struct cpumask remote = *targets;
	bool done;

	if (!flush.backend->fence)
		return false;
	preempt_disable();
	cpumask_clear(&remote, cpu_id());
	done = cpumask_empty(&remote) || flush.backend->fence(&remote);
	preempt_enable();
	return done;
}

bool flush_detach(paddr_t from, paddr_t to, const struct cpumask *set, struct cpumask *moved)
{
	struct cpumask remote = *set;
	bool done = false;

	cpumask_clear_all(moved);
	if (!flush.backend->detach)
		return false;
	preempt_disable();
	cpumask_clear(&remote, cpu_id());
	if (!cpumask_empty(&remote))
		done = flush.backend->detach(from, to, &remote, moved);
	preempt_enable();
	return done;
}

void flush_yield_to(u32 cpu)
{
	if (!flush.backend->yield_to)
		return;
	preempt_disable();
	flush.backend->yield_to(cpu);
	preempt_enable();
}

u64 flush_host_count(u32 cpu)
{
	return mem_load(&flush_cpu(cpu)->state.flushes);
}

void flush_counters_sum(struct flush_counters *sum)
{
	*sum = (struct flush_counters){ 0 };
	for (unsigned i = 0; i < cpu_count(); i++) {
		const volatile struct flush_counters *c = &flush_cpu(i)->counters;

		sum->flushes += c->flushes;
		sum->targets += c->targets;
		sum->ipis += c->ipis;
		sum->hypercalls += c->hypercalls;
		sum->skipped += c->skipped;
		sum->waited_ticks += c->waited_ticks;
	}
}
