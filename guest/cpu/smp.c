/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/apic.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/smp.h"
#include "guest/cpu/timer.h"
#include "guest/cpu/tlb.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"
#include "guest/mm/pgtable.h"
#include "guest/sched/thread.h"

#define START_DEADLINE_MS 20000
#define STARTUP_AGAIN_MS  10

extern const char ap_trampoline[], ap_trampoline_end[];

static struct cpu boot_cpu;
static struct cpu *cpus[GUEST_MAX_CPUS];
static u32 count = 1;
static struct cpumask online;

/* boot/boot.S: each AP draws a ticket, and with it a stack and the idle thread on it. */
u32 ap_next_ticket;
u64 ap_stack_tops[GUEST_MAX_CPUS];
static struct thread *ap_idle[GUEST_MAX_CPUS];

void ap_main(u32 ticket);

u32 cpu_count(void)
{
	return count;
}

struct cpu *cpu_by_id(u32 id)
{
	return cpus[id];
}

const struct cpumask *cpus_online(void)
{
	return &online;
}

void smp_init_boot_cpu(void)
{
	boot_cpu.self = &boot_cpu;
	cpus[0] = &boot_cpu;
	trap_init_cpu(&boot_cpu);
	cpumask_set(&online, 0);
}

static struct cpu *find_cpu(u32 apic_id)
{
	for (u32 i = 1; i < count; i++) {
		if (cpus[i]->apic_id == apic_id)
			return cpus[i];
	}
	panic("smp: a CPU with APIC id %u came up unasked", apic_id);
}

/* An AP's first C code, on its idle thread's stack and the boot page tables. */
void ap_main(u32 ticket)
{
	u32 apic_id;
	struct cpu *cpu;

	paging_init_cpu();
	write_cr3(pt_kernel_root()); /* as add_cpu() has noted; this_cpu() is not there yet */
	apic_id = apic_enable();
	cpu = find_cpu(apic_id);
	trap_init_cpu(cpu);
	apic_init_cpu(cpu, apic_id);
	sched_init_cpu(cpu, ap_idle[ticket]);
	cpumask_set_atomic(&online, cpu->id);
	sched_idle();
}

static void add_cpu(u32 apic_id)
{
	struct cpu *cpu = kzalloc(sizeof(*cpu));
	u32 ticket = count - 1;

	cpu->self = cpu;
	cpu->id = count;
	cpu->apic_id = apic_id;
	cpu->mm.root_word = ROOT_ACTIVE | pt_kernel_root();
	cpu->mm.pcids = boot_cpu.mm.pcids;
	cpus[count++] = cpu;
	ap_idle[ticket] = thread_alloc("idle", cpu);
	ap_stack_tops[ticket] = thread_stack_top(ap_idle[ticket]);
}

/* INT3 everywhere else: a CPU that goes astray there stops. */
static paddr_t place_trampoline(const struct boot_info *boot)
{
	paddr_t page = boot_low_page(boot);
	void *p = phys_to_virt(page);

	memset(p, 0xcc, PAGE_SIZE);
	memcpy(p, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
	return page;
}

static void send_startups(paddr_t trampoline)
{
	for (u32 i = 1; i < count; i++) {
		if (!cpumask_test(&online, i))
			apic_send_startup(cpus[i]->apic_id, trampoline);
	}
}

/*
 * INIT and STARTUP to all at once. Hardware that is slow with its INIT, or drops
 * the first STARTUP, gets a second one; a CPU that runs ignores it.
 */
static void start_all(paddr_t trampoline)
{
	u64 start = rdtsc();
	bool again = false;
	u32 polls = 0;

	for (u32 i = 1; i < count; i++)
		apic_send_init(cpus[i]->apic_id);
	send_startups(trampoline);
	while (cpumask_weight(&online) < count) {
		u64 elapsed = rdtsc() - start;

		if (!again && elapsed > tsc_from_ms(STARTUP_AGAIN_MS)) {
			again = true;
			send_startups(trampoline);
		}
		if (elapsed > tsc_from_ms(START_DEADLINE_MS)) {
			for (u32 i = 1; i < count; i++) {
				if (!cpumask_test(&online, i))
					panic("smp: CPU %u (APIC id %u) does not start", i,
					      cpus[i]->apic_id);
			}
		}
		cpu_poll(&polls);
	}
}

void smp_start(const struct boot_info *boot, const u32 *ids, u32 id_count, u32 limit)
{
	limit = MIN(limit, GUEST_MAX_CPUS);
	for (u32 i = 0; i < id_count && count < limit; i++) {
		if (ids[i] != boot_cpu.apic_id)
			add_cpu(ids[i]);
	}
	if (count > 1)
		start_all(place_trampoline(boot));
}
