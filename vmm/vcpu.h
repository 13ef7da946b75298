/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One vCPU: its file descriptor, its thread and the run loop.
 *
 * Between two KVM_RUNs run->s.regs holds the general and the system registers
 * of the last exit (KVM_CAP_SYNC_REGS). A handler that changes a general
 * register writes it there and sets KVM_SYNC_X86_REGS in run->kvm_dirty_regs.
 * System registers belong to vcpu.c alone.
 */
#ifndef HF_VMM_VCPU_H
#define HF_VMM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct machine;
struct flush_target;
struct detach_slot;
struct hf_vcpu_state;
struct watch;

/* X(name, "what is counted"), per vCPU; written by its own thread, read by any. */
#define VCPU_COUNTERS(X)                                       \
	X(hypercalls, "hyperflush and Xen calls")              \
	X(hypercall_errors, "calls refused")                   \
	X(harness_errors, "harness requests refused")          \
	X(unknown_ports, "accesses to ports without a device") \
	X(unknown_mmio, "accesses to addresses without RAM or a device")

struct vcpu_counters {
#define VCPU_COUNTER_FIELD(name, what) _Atomic uint64_t name;
	VCPU_COUNTERS(VCPU_COUNTER_FIELD)
#undef VCPU_COUNTER_FIELD
};

#define VCPU_EXIT_REASONS 40 /* KVM_EXIT_* below this have a row in the exit table */

struct vcpu {
	struct machine *machine;
	unsigned index; /* also APIC id, and Hyper-V's VP index */
	int fd;
	int stats_fd; /* KVM's binary statistics, or -1 */
	struct kvm_run *run;
	struct flush_target *flush;
	struct detach_slot *detach;
	struct watch *watch;	     /* NULL: nobody watches */
	uint64_t lazy_word;	     /* HF_MSR_LAZY_WORD; its own thread only, as the next four */
	uint64_t state_msr;	     /* HF_MSR_STATE */
	uint64_t ring_msr;	     /* HF_MSR_RING */
	struct hf_vcpu_state *state; /* in guest memory, or NULL */
	uint64_t flushes;	     /* done for this vCPU, from machine_options.generation on */
	pthread_t thread;
	bool has_thread;
	bool initialised;  /* known to have left wait-for-INIT; its own thread only */
	bool exit_pending; /* KVM may have something left to do for the last exit; likewise */
	_Atomic pid_t tid; /* 0 until the thread runs; for tgkill and affinity */
	struct vcpu_counters counters;
	_Atomic uint64_t exits[VCPU_EXIT_REASONS]; /* by KVM_EXIT_*: exits to the VMM */
};

/* Adds one; only the vCPU's own thread may. */
static inline void counter_inc(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static inline uint64_t counter_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* CPL of the last exit. KVM keeps it in SS.DPL (SDM vol 3 24.4.1 "SS access rights"). */
static inline unsigned vcpu_cpl(const struct vcpu *v)
{
	return v->run->s.regs.sregs.ss.dpl;
}

/*
 * Creates vCPU v->index of v->machine (both set by the caller) with its CPUID
 * and sets its TSC offset to 0. 0, or -errno after machine_stop(); vcpu_destroy()
 * is due either way.
 */
int vcpu_create(struct vcpu *v);

/* Closes what vcpu_create() opened. The thread must have been joined. */
void vcpu_destroy(struct vcpu *v);

/* Starts the thread "vcpu<index>" in the run loop; v->tid is set on return. 0, or -errno after
 * machine_stop(). */
int vcpu_start(struct vcpu *v);

/*
 * Makes a KVM_RUN of this vCPU return: the one in progress, or the next one if
 * the thread has already passed its checks. From any thread.
 */
void vcpu_kick(struct vcpu *v);

#endif
