/* SPDX-License-Identifier: BSD-2-Clause */
/* Demand-zero and copy-on-write. */
#ifndef GUEST_MM_FAULT_H
#define GUEST_MM_FAULT_H

#include "guest/mm/mm.h"

#define ACCESS_READ  0u
#define ACCESS_WRITE 1u
#define ACCESS_EXEC  2u
#define ACCESS_PIN \
	3u /* to read, and to go on seeing what the mapping does: a page of the mm's own */

/*
 * Makes `va` accessible so. 0; -EFAULT if no mapping allows it; -ENOMEM, also after
 * dead mms have been hurried (exit.h). Also 0 if somebody else did it meanwhile. Thread
 * context, interrupts on, mm->lock not held.
 */
int mm_fault(struct mm *mm, u64 va, unsigned access);

/*
 * The same with mm->lock held, and without hurry: who gets -ENOMEM gives the lock back and asks
 * exit_try_again(). *page is the 4 KiB page there, without a reference of its own.
 */
int fault_locked(struct mm *mm, u64 va, unsigned access, paddr_t *page);

#endif
