/* SPDX-License-Identifier: BSD-2-Clause */
/* What a KVM_EXIT_* leads to. */
#ifndef HF_VMM_EXIT_H
#define HF_VMM_EXIT_H

struct vcpu;

/*
 * Handles run->exit_reason. 0, or -errno for a failure of the host, which the
 * caller reports. A guest that ends the run does so by machine_stop().
 */
int exit_handle(struct vcpu *v);

/* Name of a KVM_EXIT_*, or NULL. */
const char *exit_name(unsigned reason);

#endif
