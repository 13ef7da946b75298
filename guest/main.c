/* SPDX-License-Identifier: BSD-2-Clause */
/* From the loader's hand-over to the suite that "suite=" names. */
#include "guest/boot/acpi.h"
#include "guest/boot/bootinfo.h"
#include "guest/cpu/apic.h"
#include "guest/cpu/console.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/power.h"
#include "guest/cpu/smp.h"
#include "guest/cpu/timer.h"
#include "guest/cpu/tlb.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"
#include "guest/mm/pgtable.h"
#include "guest/mm/table.h"
#include "guest/sched/thread.h"
#include "guest/suites.h"
#include "shared/harness.h"

static const struct suite {
	const char *name;
	int (*run)(void);
} suites[] = {
	{ "boot", suite_boot },
	{ "mm-boot", suite_mm_boot },
	{ "panic", suite_panic },
	{ "flush", suite_flush },
	{ "ring", suite_ring },
	{ "conform", suite_conform },
	{ "mm", suite_mm },
	{ "user", suite_user },
	{ "bench-flush", suite_bench_flush },
	{ "bench-mm", suite_bench_mm },
	{ "bench-ring", suite_bench_ring },
};

static struct boot_info boot;
static struct thread boot_idle;
static u32 apic_ids[GUEST_MAX_CPUS];

static void run_suite(void *arg)
{
	char name[16];

	(void)arg;
	if (!cmdline_get("suite", name, sizeof(name)))
		name[0] = '\0';
	for (u32 i = 0; i < ARRAY_SIZE(suites); i++) {
		if (strcmp(suites[i].name, name) == 0)
			guest_exit((u32)suites[i].run());
	}
	kprintf("command line: suite=%s is not one of:\n", name);
	for (u32 i = 0; i < ARRAY_SIZE(suites); i++)
		kprintf("  %s\n", suites[i].name);
	guest_exit(HARNESS_EXIT_FAIL);
}

static void init_memory(void)
{
	tlb_init();
	paging_init_cpu();
	page_init(&boot);
	pt_init(&boot);
}

static void init_cpus(void)
{
	u32 count = acpi_cpu_ids(boot.rsdp, apic_ids, GUEST_MAX_CPUS);
	u32 limit = (u32)cmdline_u64("cpus", GUEST_MAX_CPUS);

	pic_mask();
	apic_init_cpu(this_cpu(), apic_enable());
	timer_init();
	sched_init_cpu(this_cpu(), &boot_idle);
	smp_start(&boot, apic_ids, count, limit);
}

_Noreturn void boot_main(u32 magic, u32 info);

void boot_main(u32 magic, u32 info)
{
	u32 quarantine;

	smp_init_boot_cpu();
	boot_info_parse(&boot, magic, info);
	cmdline_init(boot.cmdline);
	console_init();
	kprintf("hyperflush guest, booted by %s\n", boot.loader);
	init_memory();
	init_cpus();
	page_init_high(&boot);
	quarantine = (u32)cmdline_u64("quarantine", 0);
	if (quarantine)
		table_quarantine_init(quarantine);
	kprintf("%u CPUs (%s), %llu MiB free\n", cpu_count(), apic_is_x2() ? "x2APIC" : "xAPIC",
		(unsigned long long)page_free_count() * PAGE_SIZE >> 20);
	thread_create("suite", 0, run_suite, NULL);
	sched_idle();
}
