/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's way to a program's memory: it faults the page in and copies
 * through the direct map, under mm->lock. No user address is ever dereferenced.
 */
#ifndef GUEST_USER_COPY_H
#define GUEST_USER_COPY_H

#include "guest/lib/types.h"

struct mm;

/*
 * Copies `bytes` from or to any user address; a range that crosses pages is
 * not copied as one. 0; -EFAULT if the program could not access it so itself; -ENOMEM. After
 * an error some of it may have been copied. Thread context, mm->lock not held.
 */
int copy_from_user(struct mm *mm, void *dst, u64 src, size_t bytes);
int copy_to_user(struct mm *mm, u64 dst, const void *src, size_t bytes);

#endif
