/* SPDX-License-Identifier: BSD-2-Clause */
#include "gmem.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/mman.h>

#include "kvm.h"

int gmem_create(struct gmem *gm, uint64_t bytes)
{
	*gm = (struct gmem){ 0 };
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	gm->base = base;
	gm->low = bytes < GMEM_HOLE_START ? bytes : GMEM_HOLE_START;
	gm->high = bytes - gm->low;
	return 0;
}

void gmem_destroy(struct gmem *gm)
{
	if (gm->base)
		munmap(gm->base, gm->low + gm->high);
	*gm = (struct gmem){ 0 };
}

int gmem_attach(const struct gmem *gm, int vm_fd)
{
	struct kvm_userspace_memory_region slots[] = {
		{ .slot = 0,
		  .guest_phys_addr = 0,
		  .memory_size = gm->low,
		  .userspace_addr = (uintptr_t)gm->base },
		{ .slot = 1,
		  .guest_phys_addr = GMEM_HOLE_END,
		  .memory_size = gm->high,
		  .userspace_addr = (uintptr_t)gm->base + gm->low },
	};

	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		if (!slots[i].memory_size)
			continue;
		int r = kvm_ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &slots[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

void *gmem_ptr(const struct gmem *gm, uint64_t gpa, uint64_t len)
{
	if (!len)
		return NULL;
	if (gpa < gm->low && len <= gm->low - gpa)
		return gm->base + gpa;
	if (gpa < GMEM_HOLE_END)
		return NULL;
	uint64_t offset = gpa - GMEM_HOLE_END;
	if (offset < gm->high && len <= gm->high - offset)
		return gm->base + gm->low + offset;
	return NULL;
}

int gmem_read(const struct gmem *gm, uint64_t gpa, void *dst, size_t len)
{
	const void *src = gmem_ptr(gm, gpa, len);

	if (!src)
		return -EFAULT;
	memcpy(dst, src, len);
	return 0;
}

int gmem_write(const struct gmem *gm, uint64_t gpa, const void *src, size_t len)
{
	void *dst = gmem_ptr(gm, gpa, len);

	if (!dst)
		return -EFAULT;
	memcpy(dst, src, len);
	return 0;
}
