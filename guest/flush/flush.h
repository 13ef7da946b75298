/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cross-vCPU TLB flushes. One backend serves the whole machine; each lives in
 * a file of its own.
 */
#ifndef GUEST_FLUSH_FLUSH_H
#define GUEST_FLUSH_FLUSH_H

#include "guest/lib/cpumask.h"
#include "guest/lib/types.h"
#include "shared/backends.h"

#define FLUSH_MAX_RANGES 16u

/* Beyond this many pages one full flush is taken to be cheaper than an INVLPG each (Linux: 33). */
#define FLUSH_FULL_ABOVE 33u

struct flush_range {
	u64 start; /* gva, page aligned, canonical */
	u64 pages; /* 4 KiB pages, at least 1 */
};

#define FLUSH_TABLES  (1u << 0) /* page tables were unlinked as well */
#define FLUSH_GLOBALS (1u << 1) /* global entries changed as well */
#define FLUSH_STRONG  (1u << 2) /* also wait for targets inside the host's instruction emulator */

struct flush_request {
	struct cpumask targets; /* may hold the calling CPU: it flushes natively */
	unsigned flags;
	unsigned nr_ranges; /* 0: every non-global translation (with FLUSH_GLOBALS: every one) */
	struct flush_range ranges[FLUSH_MAX_RANGES];
};

/* Per CPU; summed over CPUs by flush_counters_sum(). */
struct flush_counters {
	u64 flushes; /* calls that had a remote target */
	u64 targets; /* remote targets of these calls */
	u64 ipis;    /* CPUs to which a flush interrupt was sent */
	u64 hypercalls;
	u64 skipped;	  /* targets left to flush at their next entry, no interrupt */
	u64 waited_ticks; /* TSC ticks spent waiting for acknowledgements */
};

struct flush_backend {
	enum hf_backend id;
	const char *name;
	/* NULL if this machine offers the backend, else the reason why not. Boot CPU only. */
	const char *(*probe)(void);
	/* Once on the boot CPU, after probe() and before any init_cpu(). May be NULL. */
	void (*init)(void);
	/* On every CPU, before it can be a target. May be NULL. */
	void (*init_cpu)(void);
	/*
	 * Flushes `remote`: not empty, without the calling CPU. Preemption is
	 * off. The page-table stores are globally visible. On return no CPU in
	 * `remote` uses a translation that was stale at the call.
	 */
	void (*flush)(const struct flush_request *req, const struct cpumask *remote);
	/*
	 * On return each CPU in `remote` (as for flush()) has been out of guest mode since
	 * the call began, or passes a full barrier before its next instruction; so has the
	 * caller. Flushes nothing. False: the host has no such call. NULL likewise.
	 */
	bool (*fence)(const struct cpumask *remote);
	/*
	 * Moves CPUs of `set` (not empty, without the calling one) that are lazily on the
	 * root `from` (mm/mm_cpu.h) to `to`: the host swaps their root_word from LAZY to
	 * MOVED and loads CR3. *moved: those, and no other is moved after the return. False:
	 * the host refused, none is. Preemption is off. NULL: there is no such call.
	 */
	bool (*detach)(paddr_t from, paddr_t to, const struct cpumask *set, struct cpumask *moved);
	/* flush_yield_to(); not the calling CPU. NULL: there is no such call. Preemption is off. */
	void (*yield_to)(u32 cpu);
};

/*
 * Picks the backend by name ("auto": the first that probes of hyperv,
 * hyperflush, kvm, ipi) and prepares the boot CPU; says on the console why
 * others were not taken. NULL, or the reason why it cannot be had.
 */
const char *flush_init(const char *name);

/* Every other CPU, before it can be a target. */
void flush_init_cpu(void);

const struct flush_backend *flush_backend(void);

/*
 * Makes `req->targets` forget the translations of `req`. Caller: thread
 * context, interrupts on (two CPUs that flush each other by IPI must be able
 * to take the other's interrupt), page-table stores done.
 */
void flush_tlb(const struct flush_request *req);

/*
 * The backend's `fence`; false if there is none, and a flush_tlb() must do. Measured and tested,
 * but nothing in mm/ needs it: there the fence is the flush itself, or the walker's own
 * (mm/walk.h). Context as flush_tlb().
 */
bool flush_fence(const struct cpumask *targets);

/*
 * The backend's `detach`; the calling CPU, if it is in `set`, is left out. False: there is
 * no such call, nobody to move, or the host refused; then `moved` is empty. Context as flush_tlb().
 */
bool flush_detach(paddr_t from, paddr_t to, const struct cpumask *set, struct cpumask *moved);

/*
 * Asks the host to run `cpu`, another one, in the caller's place for a while if it is descheduled.
 * A hint: it may do nothing. Context as flush_tlb().
 */
void flush_yield_to(u32 cpu);

/*
 * Flushes of everything that the host has counted for `cpu`: the state page of docs/abi.md. Does
 * not move where the host counts none.
 */
u64 flush_host_count(u32 cpu);

/* What `req` asks for, on this CPU alone. Any context. */
void flush_tlb_local(const struct flush_request *req);

void flush_counters_sum(struct flush_counters *sum);

#endif
