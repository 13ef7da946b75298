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
	bool reaped;	/* the eventfd may be readable without another completion */
};

/* 0 or -errno; `d` is to be destroyed either way. */
int doorbell_create(struct doorbell *d);
void doorbell_destroy(struct doorbell *d);

/* Ends doorbell_wait(), the one to come if there is none. From any thread. */
void doorbell_ring(struct doorbell *d);

/*
 * Takes the completions that are there, without a system call; by the thread that waits. One that
 * is kept from waiting must: a multishot poll adds one for each ring of the doorbell, and some
 * kernels keep all those that find no room.
 */
void doorbell_reap(struct doorbell *d);

/* Waits until it has been rung since the last wait. One thread at a time. 0 or -errno. */
int doorbell_wait(struct doorbell *d);

#endif
