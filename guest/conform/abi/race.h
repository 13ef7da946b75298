/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that another CPU writes while the host reads them. */
#ifndef GUEST_CONFORM_ABI_RACE_H
#define GUEST_CONFORM_ABI_RACE_H

#include "guest/conform/abi/check.h"

/*
 * CPU 2 sets and clears an unknown flag in the first word of a flush request for CPU 1, while
 * the attempt has it served. The result must be that of one of the two, and CPU 1 flushed if it is
 * success. Seeing only one of the results is a failure, for want of evidence. `prepare` makes the
 * request ready, without the flag, and returns that word.
 */
typedef u64 *race_prepare(void *arg);
void race_check(struct conform *c, const struct attempt *a, race_prepare *prepare, void *arg,
		struct finding *f);

#endif
