/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest RAM. Nothing else in the VMM dereferences a guest-physical address.
 *
 * RAM is one anonymous mapping; guest-physical addresses 3 GiB to 4 GiB are a
 * hole (APICs, KVM's TSS pages), what does not fit below lies from 4 GiB on.
 * The guest's vCPUs write it at any time: copy a request out once and work on
 * the copy.
 */
#ifndef HF_VMM_GMEM_H
#define HF_VMM_GMEM_H

#include <stddef.h>
#include <stdint.h>

#define GMEM_HOLE_START 0xc0000000ull
#define GMEM_HOLE_END	0x100000000ull

struct gmem {
	uint8_t *base;
	uint64_t low;  /* bytes from gpa 0 */
	uint64_t high; /* bytes from gpa GMEM_HOLE_END */
};

/* Maps `bytes` (a multiple of 4096, not 0) of zeroed RAM. 0 or -errno. */
int gmem_create(struct gmem *gm, uint64_t bytes);

/* Unmaps; a zeroed or already destroyed gmem is fine. */
void gmem_destroy(struct gmem *gm);

/* Gives the RAM to a KVM VM as memory slots 0 and 1. 0 or -errno. */
int gmem_attach(const struct gmem *gm, int vm_fd);

/* Host address of [gpa, gpa + len), or NULL unless all of it is RAM. len 0: NULL. */
void *gmem_ptr(const struct gmem *gm, uint64_t gpa, uint64_t len);

/* Copy out of and into guest RAM. 0, or -EFAULT (nothing copied) unless all of it is RAM. */
int gmem_read(const struct gmem *gm, uint64_t gpa, void *dst, size_t len);
int gmem_write(const struct gmem *gm, uint64_t gpa, const void *src, size_t len);

#endif
