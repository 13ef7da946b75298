/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/sim/machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/cpu/tlb.h"
#include "guest/lib/print.h"
#include "guest/mm/pgtable.h"
#include "guest/mm/vmap.h"
#include "tests/sim/frames.h"
#include "tests/sim/kernel_tables.h"
#include "tests/sim/oracle.h"
#include "tests/sim/ring.h"
#include "tests/sim/schedule.h"

#define VMAP_PAGES 4u

struct sim sim;

/* The guest's variables, which sim.mk has put into sections of these names. */
extern u8 __start_guest_data[], __stop_guest_data[], __start_guest_bss[], __stop_guest_bss[];

static void reset_variables(void)
{
	static u8 *initial;
	size_t data = (size_t)(__stop_guest_data - __start_guest_data);
	size_t bss = (size_t)(__stop_guest_bss - __start_guest_bss);

	if (!initial) {
		initial = malloc(data + 1);
		if (!initial)
			abort();
		memcpy(initial, __start_guest_data, data);
	}
	memcpy(__start_guest_data, initial, data);
	memset(__start_guest_bss, 0, bss);
}

static void reset_cpu(struct sim_cpu *c, u32 id)
{
	c->guest = (struct cpu){ .self = &c->guest, .id = id };
	c->buffered = c->edges = 0;
	c->cr3 = 0;
	c->pcid = 0;
	for (unsigned i = 0; i <= SIM_PCIDS; i++)
		c->aside[i].edges = 0;
	c->irq_on = true;
	c->flush_pending = c->deliver = c->tick = false;
	c->inbox = 0;
	c->posted = NULL;
	c->unacknowledged = 0;
	c->running = true;
	c->waiting = false;
	c->wait_for = NULL;
	c->threads = 0;
}

void machine_reset(unsigned cpus, unsigned pcids)
{
	if (!frames_ram)
		frames_init();
	reset_variables();
	frames_reset();
	oracle_reset();
	ring_reset();
	timeline_reset();
	sim.cpus = cpus;
	sim.pcids = pcids;
	sim.self = 0;
	sim.threads = 0;
	sim.mms = 0;
	sim.scheduling = false;
	sim.host_counts = false;
	sim.hardware_dirty = 0;
	sim.handler = NULL;
	for (u32 i = 0; i < cpus; i++)
		reset_cpu(&sim.cpu[i], i);
	threads_reset();
}

void machine_boot(const char *flush)
{
	const char *why_not;

	kernel_tables_init();
	for (u32 i = 0; i < sim.cpus; i++) {
		sim.cpu[i].guest.mm.root_word = ROOT_ACTIVE | pt_kernel_root();
		sim.cpu[i].guest.mm.pcids = sim.pcids;
		tlb_load_cr3(&sim.cpu[i], pt_kernel_root());
	}
	root_load(pt_kernel_root()); /* as pt_init() does */
	vmap_init(VMAP_PAGES);
	why_not = flush_init(flush);
	if (why_not)
		sim_fail("flush backend %s: %s", flush, why_not);
}

void panic(const char *fmt, ...)
{
	char text[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	sim_fail("panic: %s", text);
}

void kprintf(const char *fmt, ...)
{
	(void)fmt;
}
