/* SPDX-License-Identifier: BSD-2-Clause */
/* Named checks of an ABI: what they work with, and what they find. */
#ifndef GUEST_CONFORM_ABI_CHECK_H
#define GUEST_CONFORM_ABI_CHECK_H

#include "guest/conform/abi/probe.h"
#include "guest/conform/abi/raw_call.h"
#include "guest/lib/cpumask.h"
#include "guest/mm/page.h"

/* Where a request lies. */
enum place {
	PLACE_PAGE,	  /* at the start of a page */
	PLACE_MISALIGNED, /* 4 bytes further */
	PLACE_CROSSING,	  /* across two pages */
	PLACE_STRADDLING, /* its first `split` bytes end at the end of RAM */
	PLACE_BEYOND,	  /* where there is no RAM */
	PLACE_WRAPPING,	  /* at the end of physical addresses' 64 bits */
};

enum outcome {
	OUTCOME_NONE, /* the check said nothing: a failure */
	OUTCOME_PASSED,
	OUTCOME_FAILED,
	OUTCOME_SKIPPED,
	OUTCOME_DEVIATES,
};

struct finding {
	enum outcome outcome;
	char text[224];
};

struct conform {
	struct probes *probes;
	u8 *request;		/* two pages; what is not part of a request holds a pattern */
	u8 *output;		/* a page of the pattern: for output nobody has asked for */
	struct page_edge edge;	/* of memory: nobody uses its last page, and nothing is beyond */
	u32 vp[GUEST_MAX_CPUS]; /* Hyper-V's index of each CPU */
};

struct check {
	const char *name; /* after the ABI's: "refused.reserved-bit-27" */
	void (*run)(struct conform *c, const void *row, struct finding *f);
	const void *row;
};

struct check_table {
	const char *abi; /* first word of the names, and of "abi=" */
	/* NULL if the hypervisor offers the ABI, else why not: then every check is a skip. */
	const char *(*lacking)(void);
	const struct check *check;
	u32 count;
};

extern const struct check_table conform_hyperv, conform_hyperv_refused, conform_hyperflush,
	conform_hyperflush_refused, conform_hyperflush_detach, conform_hyperflush_detach_race,
	conform_hyperflush_discovery, conform_hyperflush_ring, conform_hyperflush_ring_rows,
	conform_hyperflush_state, conform_xen, conform_kvm, conform_absent;

/* Exactly one of these in each check; the last one counts. */
void finding_pass(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void finding_fail(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void finding_skip(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As a known implementation does, and its specification does not say. */
void finding_deviates(struct finding *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Words of the command line by which the launcher tells what it knows: deviation, loose, qemu. */
bool launcher_says(const char *word);

#define LOOSE_KNOWN                                                \
	"KVM serves what CPUID does not show, unless told not to " \
	"(KVM_CAP_HYPERV_ENFORCE_CPUID, KVM_CAP_ENFORCE_PV_FEATURE_CPUID)"

/* Pass or fail by the condition. */
#define finding_is(f, cond, ...)                      \
	do {                                          \
		if (cond)                             \
			finding_pass(f, __VA_ARGS__); \
		else                                  \
			finding_fail(f, __VA_ARGS__); \
	} while (0)

/*
 * Copies a request to its place; the rest of the pages holds the pattern again. Its
 * gpa; 0 if the place cannot be had, and *f is a skip. `split` is for STRADDLING.
 */
u64 request_place(struct conform *c, enum place place, const void *bytes, size_t len, size_t split,
		  struct finding *f);

/* The CPUs that a check needs are there; else *f is a skip. */
bool check_has_cpus(u32 highest, struct finding *f);

/* The hypervisor's leaf with that number, on every CPU, is what it is on this one. */
bool leaf_same_everywhere(struct conform *c, u32 leaf);

/*
 * A call whose effect is known. With "control=no-call" on the command line no call is made, and
 * it passes for one that has succeeded; with "control=flush" the probes are flushed besides: then
 * whoever serves, or refuses, must fail.
 */
struct attempt {
	struct raw_call call; /* registers before it; each trial has a copy */
	/* How it is made, if not by raw_call(): fills RAX; NULL, or why that failed. */
	const char *(*make)(struct raw_call *call, void *arg);
	void *arg;		 /* for make() */
	struct cpumask probes;	 /* may be empty: then only the result is looked at */
	u32 cover;		 /* slots that the call names */
	u64 result, result_mask; /* of RAX */
	/* What a known implementation gives instead, and where that is written; or NULL. */
	u64 known_result;
	const char *known;
	bool lossy; /* KVM with shadow paging is known to lose it if there are several targets */
};

/* Some trials: that result, and no probe stale in any. */
void attempt_serves(struct conform *c, const struct attempt *a, struct finding *f);

/*
 * That result, the request's pages and the output page unchanged, and probes still stale: if they
 * never are, a control without the call tells whether that means something. A failure without
 * evidence.
 */
void attempt_refused(struct conform *c, const struct attempt *a, struct finding *f);

/* The same, but the exception is expected. */
void attempt_faults(struct conform *c, const struct attempt *a, u64 vector, struct finding *f);

/* From ring 3: the exception, or with vector 0 the result. */
void attempt_from_user(struct conform *c, const struct attempt *a, enum raw_user how, u64 vector,
		       struct finding *f);

/* All registers but those of `volatile_mask` (bit i: the i-th of struct raw_call) come back
 * unchanged. */
void attempt_preserves(struct conform *c, const struct attempt *a, u32 volatile_mask,
		       struct finding *f);

/* Reads and writes of MSRs that must, or must not, be #GP. */
void msr_read_faults(u32 msr, struct finding *f);
void msr_write_faults(u32 msr, u64 value, struct finding *f);

#endif
