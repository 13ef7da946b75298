/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_kvm.h"

#include <stdlib.h>

#include "vmm/kvm.h"

struct fake_kvm fake_kvm;

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
	(void)fd;
	if (fake_kvm.error)
		return fake_kvm.error;
	switch (request) {
	case KVM_SET_USER_MEMORY_REGION:
		fake_kvm.slots[fake_kvm.slot_count++] =
			*(const struct kvm_userspace_memory_region *)arg;
		return 0;
	case KVM_IRQ_LINE:
		fake_kvm.irq = *(const struct kvm_irq_level *)arg;
		fake_kvm.irq_changes++;
		return 0;
	case KVM_GET_TSC_KHZ:
		return fake_kvm.tsc_khz;
	default:
		abort();
	}
}

unsigned kvm_cap(const struct kvm *k, long cap)
{
	(void)k;
	if (cap < 0 || cap >= (long)FAKE_KVM_CAPS)
		abort();
	return fake_kvm.caps[cap];
}
