/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The doorbell of the rings: an eventfd that KVM signals when a vCPU writes to the port
 * (KVM_IOEVENTFD, api.rst 4.59), without an exit to user space; and a thread's wait for it,
 * through io_uring.
 */
#ifndef HF_VMM_DOORBELL_H
#define HF_VMM_DOORBELL_H

#include <stdbool.h>

struct io_uring;

struct doorbell {
	int fd; /* eventfd, or -1 */
	struct io_uring *uring;
	bool multishot; /* one poll request serves many wake-ups (Linux 5.13) */
	bool armed;	/* a poll request is in the kernel */
};

/* 0 or -errno; `d` is to be destroyed either way. */
int doorbell_create(struct doorbell *d);
void doorbell_destroy(struct doorbell *d);

/* Ends doorbell_wait(), the one to come if there is none. From any thread. */
void doorbell_ring(struct doorbell *d);

/* Waits until it has been rung since the last wait. One thread at a time. 0 or -errno. */
int doorbell_wait(struct doorbell *d);

#endif
