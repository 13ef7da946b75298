/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/apic.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/ktap.h"
#include "guest/sched/thread.h"
#include "guest/selftest/selftest.h"

struct answer {
	u32 id;
	bool gs_right, control_right, irqs_on;
};

static struct answer answers[GUEST_MAX_CPUS];

static void answer(void *arg)
{
	struct answer *a = arg;

	a->id = cpu_id();
	a->gs_right = rdmsr(MSR_GS_BASE) == (u64)this_cpu() && this_cpu()->self == this_cpu() &&
		      this_cpu() == cpu_by_id(cpu_id());
	a->control_right =
		read_cr4() & CR4_PGE && read_cr0() & CR0_WP && rdmsr(MSR_EFER) & EFER_NXE;
	a->irqs_on = irq_enabled();
}

void selftest_cpus(void)
{
	static struct thread *threads[GUEST_MAX_CPUS];
	u32 n = cpu_count(), id = 0, gs = 0, control = 0, irqs = 0;

	for_each_cpu (i, cpus_online())
		threads[i] = thread_create("answer", i, answer, &answers[i]);
	for_each_cpu (i, cpus_online()) {
		thread_join(threads[i]);
		id += answers[i].id == i;
		gs += answers[i].gs_right;
		control += answers[i].control_right;
		irqs += answers[i].irqs_on;
	}
	ktap_ok(cpumask_weight(cpus_online()) == n, "all %u CPUs are online", n);
	ktap_ok(id == n, "%u CPUs answer with their own number", id);
	ktap_ok(gs == n, "%u CPUs have their GS base right", gs);
	ktap_ok(control == n, "%u CPUs have CR4.PGE, CR0.WP and EFER.NXE set", control);
	ktap_ok(irqs == n, "%u CPUs run threads with interrupts on", irqs);
}

static void test_ipi(struct trap_frame *frame)
{
	(void)frame;
}

/* What each CPU should have taken of VECTOR_TEST since the test began. */
static u64 expected[GUEST_MAX_CPUS];
static u64 base[GUEST_MAX_CPUS];

static u64 taken(u32 cpu)
{
	return irq_count(cpu, VECTOR_TEST) - base[cpu];
}

static bool all_as_expected(void)
{
	for_each_cpu (i, cpus_online()) {
		if (taken(i) != expected[i])
			return false;
	}
	return true;
}

/* Names who differs if not all took theirs; later checks begin with what came. */
static bool arrived(void)
{
	if (wait_for(all_as_expected()))
		return true;
	for_each_cpu (i, cpus_online()) {
		u64 came = taken(i);

		if (came != expected[i])
			ktap_diag("CPU %u took %llu IPIs, %llu were sent to it", i,
				  (unsigned long long)came, (unsigned long long)expected[i]);
		expected[i] = came;
	}
	return false;
}

static void check_mask(const char *name, const struct cpumask *mask)
{
	u32 writes = apic_send_mask(mask, VECTOR_TEST);

	for_each_cpu (i, mask)
		expected[i]++;
	ktap_ok(arrived(), "cluster IPI reaches %s, %u CPUs by %u ICR writes", name,
		cpumask_weight(mask), writes);
}

static void check_masks(void)
{
	struct cpumask even = { 0 }, odd = { 0 }, others = *cpus_online();

	for_each_cpu (i, cpus_online())
		cpumask_set(i % 2 ? &odd : &even, i);
	cpumask_clear(&others, cpu_id());
	check_mask("all", cpus_online());
	check_mask("all but self", &others);
	check_mask("even CPUs", &even);
	check_mask("odd CPUs", &odd);
	check_mask("nobody", &(struct cpumask){ 0 });
}

static void check_physical(void)
{
	u32 reached = 0;

	for_each_cpu (i, cpus_online()) {
		apic_send(i, VECTOR_TEST);
		expected[i]++;
		if (!arrived())
			break; /* one wait is the limit, not one for each CPU */
		reached++;
	}
	ktap_ok(reached == cpu_count(), "physical IPI reaches exactly its CPU, %u of %u", reached,
		cpu_count());
}

/* INT is not held back by a cleared flag, so that it looks like an interrupt that should have been.
 */
static void check_while_off(void)
{
	u64 came = irq_while_off(), more;
	char word[2];

	irq_disable();
	__asm__ volatile("int %0" ::"i"(VECTOR_TEST) : "memory");
	irq_enable();
	more = irq_while_off() - came;
	ktap_ok(more == 1 && all_as_expected(), "no interrupt is taken while interrupts are off");
	if (came && cmdline_get("emulated", word, sizeof(word)))
		ktap_skip(
			"%llu interrupts came while interrupts were off: QEMU's SVM delivers some "
			"twice",
			(unsigned long long)came);
	else
		ktap_ok(!came, "%llu interrupts came while interrupts were off",
			(unsigned long long)came);
}

/* An IPI that went astray late shows in the counts of the checks after it. */
void selftest_ipis(void)
{
	irq_register(VECTOR_TEST, test_ipi);
	for_each_cpu (i, cpus_online())
		base[i] = irq_count(i, VECTOR_TEST);
	check_physical();
	check_masks();
	check_while_off();
	irq_unregister(VECTOR_TEST);
}

struct ticks {
	bool came;
	u64 after_stop;
};

static void count_ticks(void *arg)
{
	struct ticks *t = arg;
	u64 start, quiet = rdtsc();

	tick_start();
	start = irq_count(cpu_id(), VECTOR_TICK);
	t->came = wait_for(irq_count(cpu_id(), VECTOR_TICK) >= start + 3);
	tick_stop();
	quiet = rdtsc() - quiet; /* as long as three ticks took */
	start = irq_count(cpu_id(), VECTOR_TICK);
	for (u64 end = rdtsc() + quiet; rdtsc() < end;)
		cpu_pause();
	t->after_stop = irq_count(cpu_id(), VECTOR_TICK) - start;
}

void selftest_tick(void)
{
	static struct ticks ticks[GUEST_MAX_CPUS];
	u64 stray = 0;
	u32 came = 0;

	for_each_cpu (i, cpus_online()) {
		thread_join(thread_create("ticks", i, count_ticks, &ticks[i]));
		came += ticks[i].came;
		stray += ticks[i].after_stop;
	}
	ktap_ok(came == cpu_count(), "ticks come when started, on %u of %u CPUs", came,
		cpu_count());
	ktap_ok(stray == 0, "%llu ticks came when stopped", (unsigned long long)stray);
}
