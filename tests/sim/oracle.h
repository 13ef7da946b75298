/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold, asked where it would be broken. The names I1 to I15 are those of
 * docs/mm-safety.md.
 */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include "tests/sim/machine.h"

/* I1, I2, I9: `n` frames from `frame` on go: no CPU may walk them, map them, or have one as its
 * root. */
void oracle_free(u32 frame, u32 n);

/* I4, I9: the CPU is about to load that root. */
void oracle_root_load(const struct sim_cpu *c, paddr_t root);

/* I4: the CPU's bit is about to go. */
void oracle_mask_clear(const struct cpumask *m, u32 cpu);

/* A/D bits: a plain store is about to replace `old` in a table that CPUs walk. */
void oracle_plain_entry(const struct sim_cpu *c, u32 frame, u64 old, u64 value);

/* I10: the CPU is about to use again what it has kept by the PCID that CR3 has now. */
void oracle_take_back(const struct sim_cpu *c, const struct sim_aside *a);

/*
 * I2, I11: the edges of each CPU from before[cpu] on are new: nobody may hold a translation of
 * the same address to another page, if one of the two is written through.
 */
void oracle_coherence(const unsigned before[SIM_CPUS]);

/*
 * I5: mm->lock is given back: no CPU may hold a translation that the tables do not grant, but of
 * what is unmapped while a posted flush of it is not complete.
 */
void oracle_unlock(const struct mutex *m);

/* I3, I7: the thread, without a lock, has read `value` from `slot`; it looks at a page's structure.
 */
void oracle_walk_read(struct sim_thread *t, const u64 *slot, u64 value);
void oracle_walk_page(const struct sim_thread *t, u32 frame);

/*
 * I13: between the two, every page is noted that `va` maps with that permission. At the
 * end each page returned must be one of them, and not have been freed since.
 */
void watch_begin(struct mm *mm, u64 start, u32 count, unsigned flags);
void watch_end(const paddr_t *pages, u32 count);

/* The calling thread goes on with a watch that another one had interrupted. */
void watch_restore(const struct sim_watch *watch);

/* I12, besides: the calling thread has neither locked nor fenced nor touched IF since. */
void watch_lock_free(u32 pinned);

/* Something has become visible. */
void oracle_watches(void);

/* For a new schedule. */
void oracle_reset(void);

/* The registered address spaces: their masks and roots are checked. */
void oracle_add_mm(struct mm *mm, const char *name);
void oracle_remove_mm(const struct mm *mm);

#endif
