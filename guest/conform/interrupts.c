/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/interrupts.h"

#include "guest/cpu/irq.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/harness.h"
#include "guest/lib/ktap.h"

#define KNOWN_ROUNDS 10u /* interrupts to each reader */

/* False: the host gives no statistics. */
static bool read_injected(u64 *injected)
{
	struct harness_stats stats;
	bool ok = !harness_stats(&stats);

	*injected = ok ? stats.irq_injections : 0;
	return ok;
}

static struct interrupt_counts read_counts(void)
{
	struct interrupt_counts now = { 0 };
	struct flush_counters flush;

	flush_counters_sum(&flush);
	now.sent = flush.ipis;
	now.skipped = flush.skipped;
	for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
		for (u32 vector = VECTOR_FIRST_IRQ; vector < VECTOR_COUNT; vector++)
			*(vector == VECTOR_FLUSH ? &now.taken : &now.others) +=
				irq_count(cpu, (u8)vector);
	}
	read_injected(&now.injected);
	return now;
}

void interrupts_watch(struct interrupt_watch *w, struct readers *r)
{
	u64 start;

	*w = (struct interrupt_watch){ .has_injected = read_injected(&start) };
	for (u32 i = 0; i < KNOWN_ROUNDS; i++)
		readers_interrupt(r);
	w->before = read_counts();
	w->known = (u64)KNOWN_ROUNDS * cpumask_weight(&r->cpus);
	w->known_injected = w->before.injected - start;
}

static void guest_verdict(const struct interrupt_counts *n, u64 targets)
{
	switch (flush_backend()->id) {
	case HF_BACKEND_IPI:
	case HF_BACKEND_KICK:
		ktap_ok(n->sent == targets && n->taken == targets && !n->others,
			"control, guest interrupts: %lu sent, %lu taken for %lu targets; %lu "
			"others",
			n->sent, n->taken, targets, n->others);
		break;
	case HF_BACKEND_KVM:
		ktap_ok(n->sent + n->skipped == targets && n->taken == n->sent && !n->others,
			"guest interrupts: %lu sent, %lu taken, %lu left to the host; %lu others",
			n->sent, n->taken, n->skipped, n->others);
		break;
	default:
		ktap_ok(!n->sent && !n->taken && !n->others,
			"no guest interrupt: %lu sent, %lu taken; %lu others", n->sent, n->taken,
			n->others);
	}
}

/* An injection that an exit interrupted is made again, and counted again: never too few. */
static void host_verdict(const struct interrupt_watch *w, const struct interrupt_counts *n)
{
	if (!w->has_injected)
		ktap_skip("KVM's injections: the host gives no statistics");
	else if (w->known_injected >= w->known)
		ktap_ok(n->sent ? n->injected >= n->sent : !n->injected,
			"KVM's injections: %lu for %lu sent, %lu for %lu known ones", n->injected,
			n->sent, w->known_injected, w->known);
	else if (cmdline_u64("apicv", 1) == 0)
		ktap_ok(false, "KVM's injections: no evidence, %lu for %lu known ones",
			w->known_injected, w->known);
	else
		ktap_skip("KVM's injections: %lu for %lu known ones, so it does not see them all "
			  "(APICv or AVIC)",
			  w->known_injected, w->known);
}

void interrupts_verdict(const struct interrupt_watch *w, u64 targets)
{
	struct interrupt_counts n = read_counts();

	n.sent -= w->before.sent;
	n.skipped -= w->before.skipped;
	n.taken -= w->before.taken;
	n.others -= w->before.others;
	n.injected -= w->before.injected;
	ktap_begin("interrupts");
	guest_verdict(&n, targets);
	host_verdict(w, &n);
	ktap_end();
}
