/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stops vCPUs at random, wherever they are, as a busy host would: a thread of real-time
 * priority takes the CPU that a vCPU's thread is bound to. That thread has no such priority,
 * so it does not run until the CPU is given back.
 */
#ifndef HF_VMM_STOPPER_H
#define HF_VMM_STOPPER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gmem.h"
#include "shared/harness.h"

struct stopper {
	pthread_t thread;
	bool running;
	_Atomic bool end;
	sem_t begun; /* posted in the first stop, or when there will be none */
	const struct gmem *mem;
	const unsigned *cpu; /* of each vCPU, from 0 on */
	struct harness_stops stops;
	uint64_t random;
};

/*
 * Starts, and returns in the first stop. `stops` is valid, as shared/harness.h says, its words
 * lie in RAM; `cpu` stays until the end. 0 or -errno: -EPERM without the right to real-time
 * priority.
 */
int stopper_start(struct stopper *s, const struct harness_stops *stops, const struct gmem *mem,
		  const unsigned *cpu);

/* Ends it, if it runs; at most the time of one stop later. What it did is in s->stops. */
void stopper_end(struct stopper *s);

#endif
