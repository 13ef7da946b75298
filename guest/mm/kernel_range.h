/* SPDX-License-Identifier: BSD-2-Clause */
/* Permissions of kernel addresses, of many at the price of one flush. */
#ifndef GUEST_MM_KERNEL_RANGE_H
#define GUEST_MM_KERNEL_RANGE_H

#include "guest/flush/flush.h"

/*
 * Clears the bits `clear` and sets `set`, of PTE_WRITE and PTE_NX, in the entries of
 * `n` ranges of the upper half; one flush of all CPUs then serves all, unless no
 * entry has changed. When it returns no CPU uses an old permission. -EINVAL for other bits,
 * misaligned or wrapping ranges, and addresses that are not mapped by 4 KiB
 * entries (the direct map is not): then nothing has changed. Thread context, interrupts
 * on; nobody unmaps the ranges meanwhile.
 */
int kernel_range_protect(const struct flush_range *r, unsigned n, u64 clear, u64 set);

#endif
