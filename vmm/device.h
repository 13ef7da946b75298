/* SPDX-License-Identifier: BSD-2-Clause */
/* The ports of the machine. */
#ifndef HF_VMM_DEVICE_H
#define HF_VMM_DEVICE_H

struct vcpu;

/*
 * KVM_EXIT_IO: carries out the accesses in v->run->io. An access that no
 * device takes reads as all ones and is counted. 0, or -errno for a failure
 * of the host.
 */
int device_io(struct vcpu *v);

#endif
