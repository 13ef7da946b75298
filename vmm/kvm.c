/* SPDX-License-Identifier: BSD-2-Clause */
#include "kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

static const struct {
	enum kvm_vendor vendor;
	const char *module;
	const char *directory;
	const char *nested_parameter;
} vendors[] = {
	{ KVM_VENDOR_PVM, "kvm_pvm", "/sys/module/kvm_pvm", NULL },
	{ KVM_VENDOR_AMD, "kvm_amd", "/sys/module/kvm_amd", "/sys/module/kvm_amd/parameters/npt" },
	{ KVM_VENDOR_INTEL, "kvm_intel", "/sys/module/kvm_intel",
	  "/sys/module/kvm_intel/parameters/ept" },
};

#define VENDORS (sizeof(vendors) / sizeof(vendors[0]))

enum kvm_vendor kvm_vendor(void)
{
	for (size_t i = 0; i < VENDORS; i++)
		if (!access(vendors[i].directory, F_OK))
			return vendors[i].vendor;
	return KVM_VENDOR_UNKNOWN;
}

const char *kvm_vendor_module(enum kvm_vendor vendor)
{
	for (size_t i = 0; i < VENDORS; i++)
		if (vendors[i].vendor == vendor)
			return vendors[i].module;
	return "unknown";
}

/* A module's boolean parameter reads "Y" or "1", depending on its type. */
bool kvm_nested_paging(enum kvm_vendor vendor)
{
	char value = 'N';

	for (size_t i = 0; i < VENDORS; i++) {
		if (vendors[i].vendor != vendor || !vendors[i].nested_parameter)
			continue;
		int fd = open(vendors[i].nested_parameter, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return false;
		if (read(fd, &value, 1) != 1)
			value = 'N';
		close(fd);
	}
	return value == 'Y' || value == '1';
}

unsigned kvm_cap(const struct kvm *k, long cap)
{
	int r = ioctl(k->fd, KVM_CHECK_EXTENSION, cap);

	return r < 0 ? 0 : (unsigned)r;
}

/* KVM_GET_SUPPORTED_CPUID and its Hyper-V twin: KVM says E2BIG while the array is too small. */
static int read_cpuid(int fd, unsigned long request, struct cpuid_table *table)
{
	size_t entry_bytes = CPUID_MAX_ENTRIES * sizeof(struct kvm_cpuid_entry2);
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + entry_bytes);

	if (!c)
		return -ENOMEM;
	c->nent = CPUID_MAX_ENTRIES;
	int r = kvm_ioctl(fd, request, c);
	if (!r) {
		table->entries = calloc(c->nent ? c->nent : 1, sizeof(*table->entries));
		if (table->entries) {
			table->count = c->nent;
			memcpy(table->entries, c->entries, c->nent * sizeof(*table->entries));
		} else {
			r = -ENOMEM;
		}
	}
	free(c);
	return r;
}

static bool has_membarrier(void)
{
	long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	return commands > 0 && (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

int kvm_open(struct kvm *k, const char **what)
{
	*k = (struct kvm){ .fd = -1, .vendor = kvm_vendor(), .membarrier = has_membarrier() };
	k->nested_paging = kvm_nested_paging(k->vendor);

	if (k->vendor == KVM_VENDOR_PVM) {
		*what = "KVM's module is kvm_pvm, which cannot run ordinary guests";
		return -ENODEV;
	}
	*what = "/dev/kvm";
	k->fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (k->fd < 0)
		return -errno;
	if (k->vendor == KVM_VENDOR_UNKNOWN) {
		*what = "KVM's module is neither kvm_amd nor kvm_intel";
		return -ENODEV;
	}

	*what = "KVM_GET_API_VERSION";
	int r = kvm_ioctl(k->fd, KVM_GET_API_VERSION, NULL);
	if (r < 0)
		return r;
	if (r != KVM_API_VERSION)
		return -EPROTO;

	*what = "KVM_GET_VCPU_MMAP_SIZE";
	r = kvm_ioctl(k->fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
	if (r < 0)
		return r;
	k->run_bytes = (size_t)r;

	*what = "KVM_GET_SUPPORTED_CPUID";
	r = read_cpuid(k->fd, KVM_GET_SUPPORTED_CPUID, &k->host);
	if (r < 0)
		return r;
	if (!kvm_cap(k, KVM_CAP_SYS_HYPERV_CPUID))
		return 0;
	*what = "KVM_GET_SUPPORTED_HV_CPUID";
	return read_cpuid(k->fd, KVM_GET_SUPPORTED_HV_CPUID, &k->hv);
}

void kvm_close(struct kvm *k)
{
	free(k->host.entries);
	free(k->hv.entries);
	if (k->fd >= 0)
		close(k->fd);
	*k = (struct kvm){ .fd = -1 };
}
