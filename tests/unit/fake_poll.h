/* SPDX-License-Identifier: BSD-2-Clause */
/* Included ahead of vmm/doorbell.c: a kernel that may refuse a multishot poll. */
#ifndef HF_TESTS_FAKE_POLL_H
#define HF_TESTS_FAKE_POLL_H

#include <liburing.h>
#include <stdbool.h>

extern bool fake_poll_refused;

/* io_uring_prep_poll_multishot(), refused if `fake_poll_refused`. */
void fake_poll_prep(struct io_uring_sqe *sqe, int fd, unsigned events);

#ifndef HF_TESTS_REAL_POLL
#define io_uring_prep_poll_multishot fake_poll_prep
#endif

#endif
