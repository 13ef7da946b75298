/* SPDX-License-Identifier: BSD-2-Clause */
/* /dev/kvm: what this host's KVM is and offers, independent of any machine. */
#ifndef HF_VMM_KVM_H
#define HF_VMM_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpuid.h"

enum kvm_vendor {
	KVM_VENDOR_UNKNOWN, /* no kvm_amd, no kvm_intel: cannot run ordinary guests */
	KVM_VENDOR_PVM,	    /* kvm_pvm: runs PVM guests only */
	KVM_VENDOR_AMD,
	KVM_VENDOR_INTEL,
};

struct kvm {
	int fd;
	size_t run_bytes; /* of a vCPU's struct kvm_run mapping */
	enum kvm_vendor vendor;
	bool nested_paging;
	bool membarrier;	 /* MEMBARRIER_CMD_PRIVATE_EXPEDITED */
	struct cpuid_table host; /* KVM_GET_SUPPORTED_CPUID */
	struct cpuid_table hv;	 /* KVM_GET_SUPPORTED_HV_CPUID; empty if the host has none */
};

/* ioctl(2); -errno on failure, else its result. */
int kvm_ioctl(int fd, unsigned long request, void *arg);

/*
 * Opens /dev/kvm (after a look at the module, so that a KVM which cannot run
 * our guests is not touched) and reads what it offers. 0, or -errno with
 * *what naming what failed; kvm_close() is due either way.
 */
int kvm_open(struct kvm *k, const char **what);
void kvm_close(struct kvm *k);

/* KVM_CHECK_EXTENSION: 0 when absent, else the capability's value. */
unsigned kvm_cap(const struct kvm *k, long cap);

/* The loaded vendor module, and whether it uses EPT or NPT; from sysfs only. */
enum kvm_vendor kvm_vendor(void);
bool kvm_nested_paging(enum kvm_vendor vendor);
const char *kvm_vendor_module(enum kvm_vendor vendor);

#endif
