/* SPDX-License-Identifier: BSD-2-Clause */
#define HF_TESTS_REAL_POLL
#include "fake_poll.h"

bool fake_poll_refused;

void fake_poll_prep(struct io_uring_sqe *sqe, int fd, unsigned events)
{
	io_uring_prep_poll_multishot(sqe, fd, events);
	/* Linux before 5.13 says EINVAL to the flag, as every one does to a field that no poll has.
	 */
	if (fake_poll_refused)
		sqe->buf_index = 1;
}
