/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated machine: CPUs with store buffers, TLBs and an interrupt flag, on a
 * host that may deschedule any of them. One machine, one schedule at a time: the
 * guest's accesses carry no context.
 */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include "guest/cpu/paging.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/flush.h"
#include "guest/mm/mm.h"
#include "guest/sched/thread.h"
#include "tests/sim/access.h"
#include "tests/sim/coroutine.h"

#define SIM_CPUS    4u
#define SIM_THREADS 12u
#define SIM_STORES  6u	  /* of a store buffer */
#define SIM_EDGES   1600u /* of a TLB */
#define SIM_PCIDS   2u	  /* beside PCID 0 */
#define SIM_MMS	    6u
#define SIM_PINS    4u /* pages of a watched pin */
#define SIM_SEEN    64u

struct sim_store {
	volatile void *p;
	u64 value;
	const struct sim_site *site;
	u32 generation; /* of the frame, if `p` lies in one */
	u8 size;
	bool entry;	 /* a pte_write() */
	bool translated; /* by user mode's tables, not the direct map */
};

/*
 * One entry of a TLB (leaf) or of a paging-structure cache. The set of a CPU holds
 * every one it may hold: it grows as soon as an entry becomes reachable and shrinks
 * only by a flush, so that the oracles need no luck (tlb.c).
 */
struct sim_edge {
	u64 va;
	u64 *slot;
	u64 value;
	u32 child;	/* frame */
	u32 generation; /* of `child`, when it was found */
	u8 level;	/* of `slot`'s table */
	bool leaf;
	bool dirty; /* the CPU has seen D set: it writes without a look at the table */
};

/* What a CPU knows by a PCID that is not in CR3: of no use until it is, and not walked. */
struct sim_aside {
	paddr_t root; /* that it belongs to; 0: none yet */
	u32 generation;
	struct sim_edge edge[SIM_EDGES];
	unsigned edges;
};

struct sim_thread;

struct sim_cpu {
	struct cpu guest;
	struct sim_store buffer[SIM_STORES];
	unsigned buffered;
	paddr_t cr3; /* the root */
	unsigned pcid;
	struct sim_edge edge[SIM_EDGES];
	unsigned edges;
	struct sim_aside aside[SIM_PCIDS + 1]; /* without edges for `pcid` itself */

	bool irq_on;
	bool flush_pending;		     /* VECTOR_FLUSH */
	u32 inbox;			     /* initiators, a bit each */
	bool deliver;			     /* the interrupt arrives at the next step */
	const struct flush_request *request; /* what this CPU asked of others */
	u64 unacknowledged;
	const struct flush_request *posted; /* flush.c */
	struct flush_request posted_copy;

	bool running; /* not descheduled by the host */
	bool starved; /* once descheduled it runs again when asked for, or at last */
	bool waiting; /* its code has nothing to do until `wait_for` changes */
	const volatile void *wait_for; /* NULL: anything */
	struct sim_thread *current;
	struct sim_thread *stack; /* whose stack the code runs on: during a switch not `current` */
	struct sim_thread *idle;
	unsigned threads; /* that have not ended, without idle */
	bool tick;	  /* somebody else's turn at the next step */
};

/* What a thread has done, without interrupts that came meanwhile. */
struct sim_counts {
	u32 irq_changes, locked, stores;
};

/* A page-table entry that the thread has read: what it may follow (oracle.c). */
struct sim_learned {
	u32 frame, generation;
	bool stale; /* it was read out of a table that had been freed */
};

struct sim_watch {
	bool active;
	struct mm *mm;
	paddr_t root;
	u64 start;
	u32 count;
	unsigned flags;
	struct {
		u32 frame, generation;
	} seen[SIM_PINS][SIM_SEEN];
	u32 seens[SIM_PINS];
	struct sim_counts before;
	bool irq_was_on;
};

/* How a thread's reads of entries without a lock are judged; oracle.c. */
enum sim_walk { SIM_WALK_LOCKED, SIM_WALK_SEQ, SIM_WALK_PROTECTED };

struct sim_thread {
	struct thread guest;
	struct coroutine stack;
	struct sim_cpu *cpu;
	void (*fn)(void *arg);
	void *arg;
	const char *name;
	bool ended, runnable, wake_pending;
	bool interrupted; /* its stack runs an interrupt handler, or the switch that followed one */
	struct sim_counts counts;
	bool daemon;	/* the schedule may end while it sleeps */
	unsigned locks; /* mutexes held */
	const struct mutex *waits;
	enum sim_walk walk;
	struct sim_learned learned[16];
	unsigned learnt;
	struct sim_watch watch;
};

struct sim_mm {
	struct mm *mm;
	paddr_t root;
	const char *name;
};

struct sim {
	struct sim_cpu cpu[SIM_CPUS];
	unsigned cpus;
	unsigned pcids; /* of each CPU, beside PCID 0; 0: CR4.PCIDE is clear */
	unsigned self;	/* the CPU whose code runs */
	struct sim_thread thread[SIM_THREADS];
	unsigned threads;
	struct sim_mm mm[SIM_MMS];
	unsigned mms;
	bool scheduling; /* false: setup and finish, on CPU 0 alone, nothing interleaves */
	bool logging;
	void (*handler)(void); /* what a tick interrupt does, instead of a switch of threads */
	bool host_counts;      /* hyperflush: the host keeps the state page */
	u64 hardware_dirty;    /* dirty bits set by hardware */
};

extern struct sim sim;

/*
 * Powers on with that many CPUs, up to SIM_CPUS, of up to SIM_PCIDS PCIDs, and boots the guest
 * with that flush backend.
 */
void machine_reset(unsigned cpus, unsigned pcids);
void machine_boot(const char *flush);

static inline struct sim_cpu *sim_cpu(void)
{
	return &sim.cpu[sim.self];
}

static inline struct sim_thread *sim_thread(void)
{
	return sim_cpu()->current;
}

/* An oracle, a panic, a deadlock: ends the schedule. `what` names the invariant first, where there
 * is one. */
_Noreturn void sim_fail(const char *what, ...) __attribute__((format(printf, 1, 2)));

/* memory.c */
void memory_drain_one(struct sim_cpu *c);
void memory_drain(struct sim_cpu *c);
/* As far as the last store that went through a translation of the lower half. */
void memory_drain_translated(struct sim_cpu *c);
/* Makes a store visible to all. `entry`: a plain store of a page-table entry. */
void memory_commit(struct sim_cpu *c, volatile void *p, unsigned size, u64 value, bool entry);
u64 memory_read(const volatile void *p, unsigned size);
/* A user access's second half, in the same step as its translation. */
u64 memory_load(struct sim_cpu *c, const u64 *p);
void memory_store(struct sim_cpu *c, u64 *p, u64 value);

/* tlb.c */
/* `cr3` as MOV to CR3 has it: root, PCID, bit 63. */
void tlb_load_cr3(struct sim_cpu *c, u64 cr3);
/* What the request asks for, as the host does it. */
void tlb_flush_request(struct sim_cpu *c, const struct flush_request *req);
void tlb_forget_user(struct sim_cpu *c);
void tlb_forget_all(struct sim_cpu *c);
/* An entry of a table that some CPU walks has changed. */
void tlb_entry_changed(u64 *slot, u64 value);
/* The CPU's hardware sets an accessed bit in an entry it may have cached. */
void tlb_set_accessed(struct sim_cpu *c);
/* A user access by hardware: the frame, or 0 for a page fault. Sets A and D. */
u32 tlb_translate(struct sim_cpu *c, u64 va, bool write);

/* threads.c */
void threads_reset(void);
struct sim_thread *threads_add(const char *name, unsigned cpu, void (*fn)(void *arg), void *arg);
void threads_begin(void);
/* At the end of a step of the calling CPU: a pending interrupt, or a tick. */
void threads_interrupt(void);
void threads_wait(const volatile void *p);
void threads_notify(const volatile void *p);
void threads_tick(struct sim_cpu *c);

/* flush.c */
void flush_serve(struct sim_cpu *c);

/* timeline.c: what happened on each CPU, while sim.logging is set. */
void timeline_reset(void);
void timeline_add(unsigned cpu, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An access at that place in the source, to `p`. */
void timeline_access(unsigned cpu, const struct sim_site *site, const volatile void *p,
		     const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void timeline_print(void);

#endif
