/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands in for vmm/kvm.c: notes the ioctls, and answers as the test wants. */
#ifndef HF_TESTS_FAKE_KVM_H
#define HF_TESTS_FAKE_KVM_H

#include <linux/kvm.h>
#include <stdint.h>

#define FAKE_KVM_CAPS 320u

extern struct fake_kvm {
	struct kvm_userspace_memory_region slots[4];
	unsigned slot_count;
	struct kvm_irq_level irq; /* the last change of a line */
	unsigned irq_changes;
	unsigned caps[FAKE_KVM_CAPS]; /* of KVM_CHECK_EXTENSION */
	int tsc_khz;		      /* of KVM_GET_TSC_KHZ */
	int error;		      /* -errno of each ioctl, or 0 */
} fake_kvm;

#endif
