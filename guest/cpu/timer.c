/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/apic.h"
#include "guest/cpu/irq.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/timer.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/print.h"
#include "guest/sched/thread.h"

#define CPUID_TSC_RATIO	       0x15u
#define CPUID_HYPERVISOR       0x40000000u
#define CPUID_HYPERVISOR_TIME  0x40000010u
#define CPUID_1_ECX_DEADLINE   (1u << 24)
#define CPUID_1_ECX_HYPERVISOR (1u << 31)
#define ASSUMED_TSC_KHZ	       1000000u

#define PIT_CHANNEL2   0x42
#define PIT_COMMAND    0x43
#define PIT_CH2_MODE0  0xb0 /* channel 2, both bytes, interrupt on terminal count */
#define PIT_HZ	       1193182u
#define PIT_GATE_PORT  0x61
#define PIT_GATE       0x01
#define PIT_SPEAKER    0x02
#define PIT_OUT	       0x20
#define CALIBRATION_MS 10
#define PIT_MAX_TICKS  (1ull << 34) /* gives up on a PIT that never ends */

#define DIVIDE_BY_1 0xbu

static struct {
	u64 tsc_khz;
	const char *source;
	bool deadline;
	u32 apic_period; /* APIC timer counts a tick, without deadline mode */
} timer;

u64 tsc_khz(void)
{
	return timer.tsc_khz ? timer.tsc_khz : ASSUMED_TSC_KHZ;
}

static u64 khz_from_cpuid(void)
{
	struct cpuid r;

	if (cpuid(0, 0).eax >= CPUID_TSC_RATIO) {
		r = cpuid(CPUID_TSC_RATIO, 0);
		if (r.eax && r.ebx && r.ecx)
			return (u64)r.ecx * r.ebx / r.eax / 1000;
	}
	return 0;
}

static u64 khz_from_hypervisor(void)
{
	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_HYPERVISOR) ||
	    cpuid(CPUID_HYPERVISOR, 0).eax < CPUID_HYPERVISOR_TIME)
		return 0;
	return cpuid(CPUID_HYPERVISOR_TIME, 0).eax;
}

/* Counts TSC ticks while the PIT counts down. 0 if there is no PIT: its port reads all ones. */
static u64 khz_from_pit(void)
{
	u32 count = PIT_HZ * CALIBRATION_MS / 1000;
	u8 gate = (u8)(inb(PIT_GATE_PORT) & ~(PIT_GATE | PIT_SPEAKER));
	u64 start, now;

	outb(PIT_GATE_PORT, gate);
	outb(PIT_COMMAND, PIT_CH2_MODE0);
	outb(PIT_CHANNEL2, (u8)count);
	outb(PIT_CHANNEL2, (u8)(count >> 8));
	if (inb(PIT_GATE_PORT) & PIT_OUT)
		return 0;
	outb(PIT_GATE_PORT, gate | PIT_GATE);
	start = rdtsc_ordered();
	do {
		now = rdtsc_ordered();
		if (now - start > PIT_MAX_TICKS)
			return 0;
	} while (!(inb(PIT_GATE_PORT) & PIT_OUT));
	outb(PIT_GATE_PORT, gate);
	return (now - start) / CALIBRATION_MS;
}

static void find_tsc_rate(void)
{
	static const struct {
		const char *name;
		u64 (*khz)(void);
	} sources[] = {
		{ "CPUID 0x15", khz_from_cpuid },
		{ "CPUID 0x40000010", khz_from_hypervisor },
		{ "PIT", khz_from_pit },
	};

	timer.tsc_khz = cmdline_u64("tsc_khz", 0);
	timer.source = "command line";
	for (u32 i = 0; i < ARRAY_SIZE(sources) && !timer.tsc_khz; i++) {
		timer.tsc_khz = sources[i].khz();
		timer.source = sources[i].name;
	}
	if (!timer.tsc_khz) {
		timer.tsc_khz = ASSUMED_TSC_KHZ;
		timer.source = "assumed";
	}
}

static void calibrate_apic_timer(void)
{
	u64 end;

	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_TIMER_INITIAL, UINT32_MAX);
	end = rdtsc() + tsc_from_ms(CALIBRATION_MS);
	while (rdtsc() < end)
		cpu_pause();
	timer.apic_period =
		(UINT32_MAX - apic_read(APIC_TIMER_CURRENT)) / (CALIBRATION_MS * TICK_HZ) * 1000;
	apic_write(APIC_TIMER_INITIAL, 0);
	if (timer.apic_period == 0)
		panic("timer: the local APIC's timer does not count");
}

static void arm_deadline(void)
{
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + tsc_khz() * 1000 / TICK_HZ);
}

static void tick(struct trap_frame *frame)
{
	(void)frame;
	if (timer.deadline && this_cpu()->tick_on)
		arm_deadline();
	sched_tick();
}

void timer_init(void)
{
	find_tsc_rate();
	timer.deadline = cpuid(1, 0).ecx & CPUID_1_ECX_DEADLINE;
	if (!timer.deadline)
		calibrate_apic_timer();
	irq_register(VECTOR_TICK, tick);
	kprintf("timer: TSC %llu kHz (%s), tick by %s\n", (unsigned long long)timer.tsc_khz,
		timer.source, timer.deadline ? "TSC deadline" : "APIC timer");
}

void tick_start(void)
{
	bool was = irq_save();

	this_cpu()->tick_on = true;
	if (timer.deadline) {
		apic_write(APIC_LVT_TIMER, APIC_LVT_DEADLINE | VECTOR_TICK);
		/* The switch of mode must be done before the MSR is written (SDM §11.5.4.1). */
		__asm__ volatile("mfence; lfence" ::: "memory");
		arm_deadline();
	} else {
		apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
		apic_write(APIC_LVT_TIMER, APIC_LVT_PERIODIC | VECTOR_TICK);
		apic_write(APIC_TIMER_INITIAL, timer.apic_period);
	}
	irq_restore(was);
}

void tick_stop(void)
{
	bool was = irq_save();

	this_cpu()->tick_on = false;
	if (timer.deadline)
		wrmsr(MSR_TSC_DEADLINE, 0);
	else
		apic_write(APIC_TIMER_INITIAL, 0);
	apic_write(APIC_LVT_TIMER, APIC_LVT_MASKED | VECTOR_TICK);
	irq_restore(was);
}
