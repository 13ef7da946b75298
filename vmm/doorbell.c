/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "doorbell.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define URING_ENTRIES 4u

int doorbell_create(struct doorbell *d)
{
	*d = (struct doorbell){ .fd = -1, .multishot = true };
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	d->uring = calloc(1, sizeof(*d->uring));
	int r = d->uring ? io_uring_queue_init(URING_ENTRIES, d->uring, 0) : -ENOMEM;

	if (r) {
		free(d->uring);
		close(fd);
		return r;
	}
	d->fd = fd;
	return 0;
}

void doorbell_destroy(struct doorbell *d)
{
	if (d->fd < 0)
		return;
	io_uring_queue_exit(d->uring); /* ends the poll request */
	free(d->uring);
	close(d->fd);
	d->fd = -1;
}

void doorbell_ring(struct doorbell *d)
{
	/* EAGAIN: the counter is full, so it is readable. */
	if (d->fd >= 0)
		(void)!eventfd_write(d->fd, 1);
}

static void arm(struct doorbell *d)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(d->uring);

	if (d->multishot)
		io_uring_prep_poll_multishot(sqe, d->fd, POLLIN);
	else
		io_uring_prep_poll_add(sqe, d->fd, POLLIN);
	d->armed = true;
}

/* A completion of the poll request. */
static int completed(struct doorbell *d, const struct io_uring_cqe *cqe)
{
	/* Also when it is ended by the kernel for want of room: it is armed anew, and looks. */
	if (!(cqe->flags & IORING_CQE_F_MORE))
		d->armed = false;
	if (cqe->res == -EINVAL && d->multishot) {
		d->multishot = false;
		return 0;
	}
	return cqe->res < 0 && cqe->res != -ECANCELED && cqe->res != -EINTR ? cqe->res : 0;
}

/* All completions there are. Their number. */
static unsigned take(struct doorbell *d, int *err)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(d->uring, head, cqe)
	{
		int e = completed(d, cqe);

		*err = *err ? *err : e;
		n++;
	}
	io_uring_cq_advance(d->uring, n);
	return n;
}

void doorbell_reap(struct doorbell *d)
{
	int err = 0; /* comes again when it is armed anew */

	d->reaped |= take(d, &err) != 0;
}

static int turn(struct doorbell *d)
{
	int err = 0;

	if (!d->armed)
		arm(d);
	int r = io_uring_submit_and_wait(d->uring, 1);

	if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY)
		return r;
	take(d, &err);
	return err;
}

int doorbell_wait(struct doorbell *d)
{
	bool reaped = d->reaped;
	eventfd_t rings;

	d->reaped = false;
	if (reaped && !eventfd_read(d->fd, &rings))
		return 0;
	/* One completion may stand for several rings, and come when they have been read. */
	do {
		int err = turn(d);

		if (err)
			return err;
		if (!eventfd_read(d->fd, &rings))
			return 0;
	} while (errno == EAGAIN || errno == EINTR);
	return -errno;
}
