/* SPDX-License-Identifier: BSD-2-Clause */
/* What is simulated: a few threads that get in each other's way. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "guest/mm/gup.h"
#include "guest/mm/map.h"
#include "tests/sim/machine.h"
#include "tests/sim/oracle.h"

struct sim_scenario {
	const char *name, *what;
	unsigned cpus;
	const char *flush; /* names of backends, between blanks; NULL: ipi kvm hyperv hyperflush */
	void (*setup)(void);
	void (*check)(void); /* when all threads have ended, before the census; may be NULL */
	/* NULL, or the beginning of the violation that must be found: a control. */
	const char *fails;
	unsigned pcids;	 /* of each CPU; 0: none, or for a quarter of the seeds SIM_PCIDS */
	unsigned search; /* switches in --exhaustive; 0: too large for it */
	bool quiet;	 /* no descheduling, ticks and accessed bits in a search */
	bool calm;	 /* nor in seeded schedules: the order of steps is all */
};

/* Every file of scenarios/ has one. Each ends with one that has no name. */
extern const struct sim_scenario litmus_scenarios[], gup_scenarios[], unmap_scenarios[],
	fork_scenarios[], huge_scenarios[], exit_scenarios[], switch_scenarios[], vmap_scenarios[],
	walk_scenarios[], lock_scenarios[], page_scenarios[], pcid_scenarios[], edge_scenarios[],
	held_scenarios[], storm_scenarios[];

/* Addresses in different tables of level 1, and of level 2. */
#define VA_A	0x40000000ul /* begins a 2 MiB page */
#define VA_NEAR (VA_A + 0x1000)
#define VA_B	0x40200000ul
#define VA_FAR	0x80000000ul

/* Before setup, and after the schedule: what main.c does for every scenario. */
void scene_begin(void);
void scene_end(void);

/* During setup. The mm lives until scene_end(). */
struct mm *scene_mm(const char *name);
void scene_map(struct mm *mm, u64 va, u32 pages, unsigned prot);
/* The frame at `va`, faulted in for writing; its first word becomes `content`. */
u32 scene_touch(struct mm *mm, u64 va, u64 content);

/* A thread of `mm`, which is one user more until its body has returned. NULL: a kernel thread. */
struct sim_thread *scene_thread(unsigned cpu, const char *name, struct mm *mm,
				void (*body)(void *arg), void *arg);

/* The first word of what `mm` maps at `va`; ~0 if it maps nothing there. */
u64 scene_content(struct mm *mm, u64 va);

/* The scene's own reference to `mm` goes: the threads are the only users, and its exit is played
 * too. */
void scene_release(struct mm *mm);

/* gup_fast_only() and gup_fast() under their oracles. */
u32 scene_gup_only(struct mm *mm, u64 va, u32 count, unsigned flags, paddr_t *pages);
s64 scene_gup(struct mm *mm, u64 va, u32 count, unsigned flags, paddr_t *pages);

/*
 * Takes pages as another owner would and fills them with what looks like entries:
 * tables beyond RAM, and the page of `bait`, which nobody has mapped. Frees them again.
 */
void scene_reuse(unsigned pages, paddr_t bait);

/* User-mode accesses of the calling thread, with faults. False: -EFAULT. */
bool user_store(u64 va, u64 value);
bool user_load(u64 va, u64 *value);

/* Word 0 of a frame, by its direct map; a step. */
u64 frame_load(u32 frame);
void frame_store(u32 frame, u64 value);

/* Words that threads of a scenario share beside the guest's memory. */
extern u64 scene_word[8];

#define EXPECT(cond)                                                                    \
	do {                                                                            \
		if (!(cond))                                                            \
			sim_fail("%s:%d: %s does not hold", __FILE__, __LINE__, #cond); \
	} while (0)

#endif
