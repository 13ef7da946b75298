/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's output on its way from the vCPU threads to the event loop: a
 * bounded ring. A guest that writes faster than the host reads is held up in
 * its own vCPU thread, never the VMM.
 */
#ifndef HF_VMM_CONSOLE_H
#define HF_VMM_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_BYTES 8192u /* power of two */

struct console {
	pthread_mutex_t lock;
	pthread_cond_t space;
	uint8_t ring[CONSOLE_BYTES];
	size_t head; /* bytes put, ever */
	size_t tail; /* bytes taken, ever */
	size_t line; /* `head` after the last newline */
	int wake_fd; /* eventfd the event loop reads */
	bool closed; /* takers are gone: bytes are dropped, putters do not wait */
};

/* 0 or -errno. */
int console_create(struct console *c);
void console_destroy(struct console *c);

/* From a vCPU thread: appends a byte; waits while the ring is full. */
void console_put(struct console *c, uint8_t byte);

/*
 * From the event loop: is there anything to take, and is it worth a write by
 * itself? CONSOLE_RIPE: a whole line, or half a ring. The loop is woken at
 * every first byte and whenever the ring becomes ripe.
 */
enum console_fill { CONSOLE_EMPTY, CONSOLE_SOME, CONSOLE_RIPE };
enum console_fill console_fill(struct console *c);

/* From the event loop: moves up to `max` bytes out, in order; returns how many. */
size_t console_take(struct console *c, void *dst, size_t max);

/* Putters no longer wait. What is in the ring can still be taken. */
void console_close(struct console *c);

/* Makes the event loop look. From any thread, also from a signal handler. */
void console_wake(struct console *c);

#endif
