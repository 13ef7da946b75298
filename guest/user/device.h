/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device that reads and writes user pages while their owner goes on, unmaps
 * them, forks or ends: a kernel thread that reaches them by the direct map, with nothing but
 * the references that gup_fast() took. It drops them when it is done.
 */
#ifndef GUEST_USER_DEVICE_H
#define GUEST_USER_DEVICE_H

#include "guest/lib/types.h"

#define DEVICE_MAX_PAGES 64u

struct thread;

/* Filled in by who submits it, before; the rest is the device's. */
struct device_request {
	paddr_t page[DEVICE_MAX_PAGES]; /* referenced; the references pass to the device */
	u32 pages;
	bool write;  /* else: sum up */
	bool late;   /* submitted by the owner's wait or release */
	u64 pattern; /* the word at byte b becomes pattern + b / 8 */
	u64 sum;

	u32 refs;	       /* lock-free: its owner's, and the device's from the submission on */
	bool done;	       /* guarded by the device's lock, as what follows */
	struct thread *waiter; /* woken when it is done; NULL: the owner has released it */
	struct device_request *next;
};

/* Starts the device's thread on that CPU; once until device_stop(). */
void device_start(u32 cpu);

/* Serves what has been submitted, and ends the thread. Nobody submits any more. */
void device_stop(void);

bool device_running(void);

/* Empty, owned by the caller. NULL: no memory. */
struct device_request *device_request(void);

/* Gives it up; it was never submitted and holds no page. */
void device_discard(struct device_request *r);

/* The device serves it; `waiter` is woken afterwards. Thread context. */
void device_submit(struct device_request *r, struct thread *waiter);

/* What it has done, in `r`, is the owner's to read if so. */
bool device_done(struct device_request *r);

/* The owner needs it no longer. Submits it if that has not been done, and without waiting. */
void device_release(struct device_request *r);

#endif
