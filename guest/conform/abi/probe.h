/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probes: CPUs that each hold a translation which is then changed, and tell afterwards whether
 * they still use the old one. A probe flushes itself, by INVLPG, so that nothing here depends on
 * the call under test. What it finds stale has not been flushed: proof. What it finds fresh has
 * been flushed, or has been lost by chance: only repetition tells.
 */
#ifndef GUEST_CONFORM_ABI_PROBE_H
#define GUEST_CONFORM_ABI_PROBE_H

#include "guest/conform/arena.h"
#include "guest/lib/cpumask.h"

#define PROBE_SLOTS 3u
#define PROBE_ALL   ((1u << PROBE_SLOTS) - 1)

/* The pages that are changed: one, its neighbour, and one 39 pages further. */
#define PROBE_SLOT_0 8u
#define PROBE_SLOT_1 9u
#define PROBE_SLOT_2 48u

struct probes;

/* Builds the arena; no CPU is a probe yet. Boot CPU, thread context, as all that follow. */
struct probes *probes_create(void);

/*
 * These CPUs, and no others, are probes from now on; CPU 0 may be among them. The others'
 * threads spin, so there should be no more than the host has CPUs. Empty: none.
 */
void probes_use(struct probes *p, const struct cpumask *cpus);

/*
 * Every probe reads all slots, then their entries change, and nothing is flushed. If CPU 0 is a
 * probe, preemption stays disabled until probes_look().
 */
void probes_arm(struct probes *p);

/* Which slots (bit i: PROBE_SLOT_i) are stale on any probe; *worst: how many probes had one of
 * `cover`. */
u32 probes_look(struct probes *p, u32 cover, u32 *worst);

/*
 * A probe, not CPU 0, carries out fn(arg): at once, or until somebody waits. It spins before and
 * after, with preemption disabled, on whatever root the job leaves.
 */
typedef u64 probe_job(void *arg);
void probe_post(struct probes *p, u32 cpu, probe_job *fn, void *arg);
u64 probe_wait(struct probes *p, u32 cpu);
u64 probe_run(struct probes *p, u32 cpu, probe_job *fn, void *arg);

static inline u64 probe_va(u32 i)
{
	static const u32 slot[PROBE_SLOTS] = { PROBE_SLOT_0, PROBE_SLOT_1, PROBE_SLOT_2 };

	return arena_va(slot[i]);
}

/* What probes_look() has found on that CPU. */
u32 probe_stale(const struct probes *p, u32 cpu);

/*
 * A job: the CPU whose root is loaded here, by a page that is another one in each. Not by reading
 * CR3: under shadow paging the test bench's emulator answers with the hypervisor's own.
 */
u64 probe_whose_root(void *unused);

/* The root on which that CPU reads. */
paddr_t probe_root(const struct probes *p, u32 cpu);

#endif
