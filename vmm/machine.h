/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual machine from creation to its verdict. machine_run() is the whole
 * life; everything else here is for the code that runs inside it. Errors of the
 * host, before and during the run, end in machine_stop() with one line of text.
 */
#ifndef HF_VMM_MACHINE_H
#define HF_VMM_MACHINE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/backends.h"
#include "shared/harness.h"
#include "console.h"
#include "flush.h"
#include "gmem.h"
#include "kvm.h"
#include "observer.h"
#include "ring_service.h"
#include "serial.h"
#include "stats.h"
#include "vcpu.h"

#define MACHINE_MAX_VCPUS 512u

/* How a run ended; also the program's exit status. A signal ends it with 128 + its number. */
enum run_status {
	RUN_PASSED = 0,
	RUN_FAILED = 1,	    /* the guest says so, or ended without a verdict */
	RUN_BAD_INPUT = 2,  /* usage, or a kernel file that cannot be loaded */
	RUN_HOST_ERROR = 3, /* the host lacks something, or failed */
	RUN_CRASHED = 4,    /* guest panic, triple fault, KVM internal error */
	RUN_TIMED_OUT = 5,
	RUN_SIGNALLED = 128,
};

/* machine_options.flush besides enum hf_backend: offer all that the host has, the guest chooses. */
#define FLUSH_AUTO HF_BACKEND_COUNT

enum console_mode {
	CONSOLE_STDIO, /* guest serial to stdout, stdin to guest serial */
	CONSOLE_DISCARD,
	CONSOLE_CAPTURE, /* into machine_result.console */
};

struct harness; /* harness.h */

struct machine_options {
	const char *kernel;  /* path of an ELF64 image with a PVH entry note */
	const char *append;  /* kernel command line, or NULL */
	unsigned vcpus;	     /* 1 to MACHINE_MAX_VCPUS */
	unsigned mem_mib;    /* 0: 256 + vcpus */
	unsigned flush;	     /* enum hf_backend or FLUSH_AUTO */
	const unsigned *pin; /* host CPUs for vCPUs 0, 1, …; cyclic */
	unsigned pin_count;  /* 0: not pinned */
	unsigned timeout_s;  /* 0: none */
	uint64_t generation; /* where the vCPUs' counts of flushes begin (docs/abi.md, "State page")
			      */
	enum console_mode console;
	struct harness *harness; /* for harness_out(); may be NULL */
	struct observer_options observer;
};

#define REASON_BYTES 192

struct machine_result {
	int status;		   /* enum run_status */
	char reason[REASON_BYTES]; /* one line, empty when the status says it all */
	char *console;		   /* with CONSOLE_CAPTURE: malloc'ed, NUL-terminated */
	size_t console_len;
	uint32_t advertised; /* what the guest was offered, 1u << enum hf_backend */
	struct harness_stats stats;
	struct vcpu_totals {
#define VCPU_TOTAL_FIELD(name, what) uint64_t name;
		VCPU_COUNTERS(VCPU_TOTAL_FIELD)
#undef VCPU_TOTAL_FIELD
		uint64_t exits[VCPU_EXIT_REASONS];
	} totals;
	struct ring_totals {
#define RING_TOTAL_FIELD(name, what) uint64_t name;
		RING_COUNTERS(RING_TOTAL_FIELD)
#undef RING_TOTAL_FIELD
	} ring_totals;
	struct observer_result observer;
};

struct machine {
	const struct machine_options *options;
	struct kvm kvm;
	int vm_fd;
	pid_t pid;	     /* of the VMM; getpid() is a system call */
	uint32_t advertised; /* 1u << enum hf_backend for each interface the guest may use */
	struct gmem mem;
	uint32_t entry; /* guest-physical address where vCPU 0 starts */
	unsigned vcpu_count;
	struct vcpu *vcpus;
	struct flush_service flush;	  /* its ctx is the machine */
	struct detach_slot *detach_slots; /* one a vCPU */
	_Atomic uint64_t hypercall_page;  /* HF_MSR_HYPERCALL_PAGE, the service's */
	struct ring_service rings;
	struct observer observer;

	struct console console;
	struct serial serial;
	char *capture; /* console output so far, with CONSOLE_CAPTURE; the event loop's */
	size_t capture_len;
	struct stats_layout stats;

	sem_t thread_ready; /* posted by a vCPU thread once its tid is set */
	_Atomic bool stop;  /* vCPU threads leave their loops */
	pthread_mutex_t verdict_lock;
	bool has_verdict;
	int status; /* enum run_status */
	char reason[REASON_BYTES];
};

/*
 * Creates the machine, runs it until a verdict, destroys it. Fills *result
 * always and returns its status. Several runs may follow one another; at a
 * time there is one, for signals are process-wide. Prints nothing but the
 * guest's console: the reason is for the caller to show.
 */
int machine_run(const struct machine_options *options, struct machine_result *result);

/* Frees what machine_run() put into a result. */
void machine_result_free(struct machine_result *result);

/*
 * Ends the run: the first verdict counts, later ones are ignored. Wakes every
 * vCPU thread and the event loop and returns at once. From any thread.
 */
void machine_stop(struct machine *m, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* machine_stop() with RUN_HOST_ERROR and "WHAT: errno text"; returns `err`, a negative errno. */
int machine_failed(struct machine *m, const char *what, int err);

/* An ioctl on one of the machine's files; a failure goes through machine_failed(). */
#define machine_ioctl(m, fd, request, arg) machine_ioctl_named(m, fd, request, #request, arg)
int machine_ioctl_named(struct machine *m, int fd, unsigned long request, const char *name,
			void *arg);

/* True if the guest may use this interface. */
static inline bool machine_offers(const struct machine *m, enum hf_backend backend)
{
	return m->advertised & (1u << backend);
}

#endif
