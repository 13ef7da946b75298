/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that the event loop writes from time to time, and at the end. */
#ifndef HF_VMM_SINK_H
#define HF_VMM_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_BYTES (64u << 10)

struct sink {
	const char *name;   /* for messages */
	int fd;		    /* -1: there is no such file */
	uint64_t period_ns; /* 0: only at the end */
	/*
	 * Puts at most `room` bytes to `to` and returns their number; 0: no more for now. With
	 * `last`, for ever. Runs on the event loop's thread.
	 */
	size_t (*fill)(void *ctx, bool last, char *to, size_t room);
	void *ctx;

	bool eager; /* is asked for more whenever the loop comes by */
	bool due;   /* it is time to ask for more */
	bool last;
	bool waits; /* until it can be written to */
	int error;  /* 0, or the -errno that has ended it */
	size_t len, done;
	char bytes[SINK_BYTES];
};

/* True: the bytes from `done` to `len` are to be written. */
bool sink_has_bytes(struct sink *s);

/* A write has returned `result`: bytes, or -errno. False: wait until the file can be written to. */
bool sink_written(struct sink *s, int result);

#endif
