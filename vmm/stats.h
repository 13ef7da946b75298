/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's binary statistics (KVM_GET_STATS_FD, Documentation/virt/kvm/api.rst
 * 4.133) and the VMM's own counters, summed over the vCPUs.
 */
#ifndef HF_VMM_STATS_H
#define HF_VMM_STATS_H

#include <stdint.h>

#include "shared/harness.h"

struct machine;
struct vcpu;

/* X(name): KVM's names. The first are summed up, `blocking` is 1 while a vCPU is halted. */
#define STATS_SUMMED(X) X(exits) X(irq_injections) X(tlb_flush)
#define STATS_KVM(X)	STATS_SUMMED(X) X(blocking)

/* Where a vCPU's values lie in its statistics file; the same for all vCPUs of a kernel. */
struct stats_layout {
#define STATS_OFFSET(name) int64_t name; /* file offset, -1: this kernel has no such statistic */
	STATS_KVM(STATS_OFFSET)
#undef STATS_OFFSET
};

/*
 * Opens the vCPUs' statistics files and looks the names up. A kernel without
 * them (before 5.14) is not an error. vcpu_destroy() closes them.
 */
void stats_open(struct machine *m);

/*
 * Sums over all vCPUs; thread-safe. What KVM does not have reads as 0. 0, or
 * -errno when a file cannot be read.
 */
int stats_read(struct machine *m, struct harness_stats *out);

/* KVM's `blocking` of one vCPU; -ENOENT if this kernel does not have it. */
int stats_read_blocking(const struct vcpu *v, uint64_t *now);

#endif
