/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the host took a thread off its CPU, and gave it one again: the kernel's own records
 * (perf_event_open(2), PERF_RECORD_SWITCH), which the thread itself has nothing to do for. They
 * tell a thread that could have run from one that slept.
 */
#ifndef HF_VMM_SWITCHES_H
#define HF_VMM_SWITCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The records of one thread. Zero with fd -1 is "none". */
struct switches {
	int fd;
	void *ring; /* shared with the kernel */
	bool off;   /* the last record was of the thread's leaving its CPU */
	bool could_run;
	uint64_t since;
	uint64_t lost; /* records that the kernel found no room for */
};

/* A time off the CPU. */
struct switches_span {
	uint64_t start, end; /* CLOCK_MONOTONIC, ns */
	bool could_run;	     /* it was runnable: the host had given the CPU to somebody else */
	uint32_t cpu;	     /* where it went on */
};

/* Records from now on what happens to the thread. 0 or -errno: -EACCES or -EPERM without the
 * right (kernel.perf_event_paranoid). */
int switches_open(struct switches *s, pid_t tid);
void switches_close(struct switches *s);

/* The next span that has ended. False: none yet. */
bool switches_take(struct switches *s, struct switches_span *span);

/* One record of `bytes` bytes, as the kernel writes it. True: it ends a span. For tests too. */
bool switches_record(struct switches *s, const void *record, size_t bytes,
		     struct switches_span *span);

#endif
