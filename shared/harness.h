/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The harness device: how a guest tells our VMM its verdict and its samples,
 * and asks it for the host's side of a measurement. It is not part of the
 * hyperflush ABI and no flush depends on it; a guest finds it by the word
 * "harness=PORT" on its command line and does without it elsewhere.
 *
 * OUT of 32 bits to PORT: the gpa (below 4 GiB, page aligned, in RAM) of a
 * struct harness_page. The VMM copies the page, carries the request out and
 * writes `status` and the reply back. IN is not defined.
 *
 * The verdict is an OUT of 8 bits to the port named by "exit=PORT": the VMM
 * (and QEMU's isa-debug-exit) ends with status (value << 1) | 1.
 */
#ifndef HF_SHARED_HARNESS_H
#define HF_SHARED_HARNESS_H

#include <stdint.h>

#define HARNESS_PORT	  0x510u
#define HARNESS_EXIT_PORT 0xf4u

/* Verdicts: the VMM maps them to its own exit status, see vmm/ and the man page. */
#define HARNESS_EXIT_PASS  0u
#define HARNESS_EXIT_FAIL  1u
#define HARNESS_EXIT_PANIC 2u

#define HARNESS_EOK	0
#define HARNESS_EINVAL	(-1) /* unknown request or bad argument */
#define HARNESS_ENOTSUP (-2) /* this host cannot do that: a skip, with `text` as reason */
#define HARNESS_ENOSPC	(-3) /* this guest has made all the records it may */

enum harness_op {
	HARNESS_STATS = 1, /* reply: stats */
	HARNESS_PLACE,	   /* in: place; out: place.cpus and .ratio */
	HARNESS_RECORD,	   /* in: record: one finished case */
	HARNESS_BLOCKED,   /* in: blocked.vcpu; out: blocked.now */
	HARNESS_JUDGE,	   /* in: judge; out: judge.at_call and .throughout */
	HARNESS_STOP,	   /* in: stops; returns in the first stop */
	HARNESS_STOP_END,  /* out: stops.stops, .inside and .in_force */
};

/* Sums over all vCPUs since the machine started. From KVM's binary statistics and the VMM. */
struct harness_stats {
	uint64_t exits;		  /* KVM: exits from guest mode */
	uint64_t irq_injections;  /* KVM: interrupts injected */
	uint64_t tlb_flush;	  /* KVM: guest TLB flushes; 0 before Linux 6.7 */
	uint64_t kicks;		  /* VMM: signals sent by the flush service */
	uint64_t service_flushes; /* VMM: vCPU flushes carried out by the service */
	uint64_t hypercalls;	  /* VMM: hyperflush and Xen calls */
	uint64_t hypercall_errors;
};

enum harness_placement {
	HARNESS_OWN_CPU = 1,   /* vCPU i on CPU i; ENOTSUP if the host has too few */
	HARNESS_OVERCOMMITTED, /* several vCPUs a CPU */
	HARNESS_DESCHEDULED,   /* as OWN_CPU, and a busy thread beside HARNESS_VICTIM */
};

#define HARNESS_VICTIM 1u

struct harness_place {
	uint32_t placement; /* enum harness_placement */
	uint32_t vcpus;	    /* vCPUs 0 to vcpus-1 take part; the others keep halted */
	uint32_t cpus;	    /* out: host CPUs used */
	uint32_t ratio;	    /* out: vcpus a CPU, rounded up */
};

/* One flush. Samples lie at samples_gpa, contiguous in guest-physical memory. */
struct harness_sample {
	uint64_t start; /* TSC at the call */
	uint64_t ticks; /* of the TSC, that it took */
	/* Only for a record: what the guest counted meanwhile. */
	uint64_t guest_ipis;
	uint64_t hypercalls;
	uint64_t skipped; /* targets left to the host */
	uint64_t waited_ticks;
};

#define HARNESS_MAX_SAMPLES 4096u

struct harness_record {
	char suite[16];
	char name[32];
	char backend[16];
	uint32_t targets;
	uint32_t placement; /* enum harness_placement */
	uint64_t samples_gpa;
	uint32_t sample_count;
	uint32_t counted_ops; /* flushes of the second, evenly spaced pass; 0: not counted */
	/* Sums over the counted pass. */
	uint64_t exits;
	uint64_t kicks;
};

/*
 * Which of these calls met the victim off its CPU? Only with DESCHEDULED in force. Ends the
 * busy thread, so PLACE is due before the next calls. A bit stands for a fact: where the host
 * does not know, it is 0.
 */
struct harness_judge {
	uint64_t samples_gpa; /* as in a record */
	uint32_t sample_count;
	uint32_t reserved;
	uint64_t at_call;    /* out: bit i: when sample i's call began */
	uint64_t throughout; /* out: bit i: from then until it returned */
};

#define HARNESS_MAX_JUDGED 64u

/*
 * vCPUs are taken off their CPUs at random, one at a time, until HARNESS_STOP_END or the next
 * PLACE. One must be in force. ENOTSUP where the host does not let the VMM do that.
 */
struct harness_stops {
	uint64_t words_gpa;    /* a uint64_t for each vCPU that PLACE has bound, 8-byte aligned */
	uint32_t first, count; /* the vCPUs that may be stopped */
	uint32_t shortest_us;  /* of a stop */
	uint32_t longest_us;   /* of a stop, and of the time between two; at least 1 */
	uint64_t stops;	       /* out: how often a vCPU was kept off its CPU all through */
	uint64_t inside;       /* out: of them, with the vCPU's word not 0 */
	uint32_t in_force;     /* out: 1: the last one lasted until HARNESS_STOP_END */
	uint32_t reserved;
};

/* Shorter than what the host grants real-time threads at a stretch. */
#define HARNESS_MAX_STOP_US 500000u

struct harness_blocked {
	uint32_t vcpu;
	uint32_t now; /* 1: the host has put the vCPU to sleep in HLT */
};

struct harness_page {
	uint32_t op;	/* enum harness_op */
	int32_t status; /* out: HARNESS_E* */
	union {
		struct harness_stats stats;
		struct harness_place place;
		struct harness_record record;
		struct harness_blocked blocked;
		struct harness_judge judge;
		struct harness_stops stops;
	};
	char text[128]; /* out: reason when status is not EOK */
};

_Static_assert(sizeof(struct harness_page) <= 4096, "one page");

#endif
