/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shootdown of bare metal, as Linux does it: x2APIC cluster mode, one ICR
 * write a cluster of 16, targets acknowledge, the initiator spins. Also its
 * negative control `kick`: the same interrupt, acknowledged without a flush.
 */
#include "guest/cpu/apic.h"
#include "guest/cpu/irq.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/backend.h"

/*
 * Carries out every request in this CPU's inbox. `really` is false for kick.
 * An initiator's request stays in place until its count of unacknowledged
 * targets is zero, so it can be read after the bit was taken.
 */
static void serve_inbox(bool really)
{
	struct flush_cpu *me = flush_cpu(cpu_id());

	for (unsigned w = 0; w < CPUMASK_WORDS; w++) {
		if (!__atomic_load_n(&me->inbox[w], __ATOMIC_RELAXED))
			continue;
		/* Acquire: pairs with the release in post(); the request is filled in. */
		u64 from = __atomic_exchange_n(&me->inbox[w], 0, __ATOMIC_ACQUIRE);

		for (; from; from &= from - 1) {
			struct flush_cpu *initiator =
				flush_cpu(w * 64 + (unsigned)__builtin_ctzll(from));

			if (really)
				flush_tlb_local(initiator->request);
			/* Release: pairs with the acquire in wait_acknowledged(); the flush is
			 * done. */
			__atomic_sub_fetch(&initiator->unacknowledged, 1, __ATOMIC_RELEASE);
		}
	}
}

static void on_flush_ipi(struct trap_frame *frame)
{
	(void)frame;
	serve_inbox(true);
}

static void on_kick_ipi(struct trap_frame *frame)
{
	(void)frame;
	serve_inbox(false);
}

/* Puts the request into each inbox; `interrupt` gets those whose inbox was empty. */
static void post(const struct cpumask *remote, struct cpumask *interrupt)
{
	u32 self = cpu_id();
	u64 bit = 1ull << (self % 64);

	cpumask_clear_all(interrupt);
	for_each_cpu (cpu, remote) {
		u64 *word = &flush_cpu(cpu)->inbox[self / 64];

		/*
		 * A word that was not empty has its interrupt on the way, and
		 * the handler takes the word whole: no second one is needed.
		 */
		if (!__atomic_fetch_or(word, bit, __ATOMIC_RELEASE))
			cpumask_set(interrupt, cpu);
	}
}

static void wait_acknowledged(struct flush_cpu *me)
{
	u64 start = rdtsc();
	u32 polls = 0;

	while (__atomic_load_n(&me->unacknowledged, __ATOMIC_ACQUIRE))
		cpu_poll(&polls);
	me->counters.waited_ticks += rdtsc() - start;
}

void flush_by_ipi(const struct flush_request *req, const struct cpumask *remote)
{
	struct flush_cpu *me = flush_cpu(cpu_id());
	struct cpumask interrupt;

	me->request = req;
	__atomic_store_n(&me->unacknowledged, cpumask_weight(remote), __ATOMIC_RELAXED);
	post(remote, &interrupt);
	me->counters.ipis += cpumask_weight(&interrupt);
	apic_send_mask(&interrupt, VECTOR_FLUSH);
	wait_acknowledged(me);
}

static const char *probe(void)
{
	return NULL;
}

static void init_ipi(void)
{
	irq_register(VECTOR_FLUSH, on_flush_ipi);
}

static void init_kick(void)
{
	irq_register(VECTOR_FLUSH, on_kick_ipi);
}

const struct flush_backend flush_ipi = {
	.id = HF_BACKEND_IPI,
	.name = "ipi",
	.probe = probe,
	.init = init_ipi,
	.flush = flush_by_ipi,
};

const struct flush_backend flush_kick = {
	.id = HF_BACKEND_KICK,
	.name = "kick",
	.probe = probe,
	.init = init_kick,
	.flush = flush_by_ipi,
};
