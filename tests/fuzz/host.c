/* SPDX-License-Identifier: BSD-2-Clause */
/* What vmm/placement.c asks of the host: CPUs that may refuse a thread, and a rival that has run
 * already. And vmm/harness.c: memory. */
#define _GNU_SOURCE
#include "fuzz.h"
#include "machine_fixture.h"
#include "shared/harness.h"
#include "vmm/placement.h"

#define RIVAL_SPANS 8u
#define RIVAL_TICKS 1000u /* each second thousand is the rival's */

unsigned host_refuses;

int fake_sched_setaffinity(pid_t tid, size_t bytes, const cpu_set_t *set);
int fake_sched_setaffinity(pid_t tid, size_t bytes, const cpu_set_t *set)
{
	MUST(tid > 0 && tid <= (pid_t)VCPUS, "thread %d is none of the guest's", tid);
	MUST(CPU_COUNT_S(bytes, set) == 1, "%d CPUs", CPU_COUNT_S(bytes, set));
	return host_refuses && (unsigned)tid % host_refuses == 0 ? -1 : 0;
}

static bool rival_runs;

int fake_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
			void *arg);
int fake_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
			void *arg)
{
	struct placement *p = arg;

	(void)attr;
	(void)start;
	*thread = pthread_self();
	MUST(!rival_runs, "two rivals");
	rival_runs = true;
	for (p->span_count = 0; p->span_count < RIVAL_SPANS; p->span_count++)
		p->spans[p->span_count] = (struct rival_span){
			2 * p->span_count * RIVAL_TICKS,
			(2 * p->span_count + 1) * RIVAL_TICKS,
		};
	return 0;
}

int fake_pthread_join(pthread_t thread, void **result);
int fake_pthread_join(pthread_t thread, void **result)
{
	(void)thread;
	(void)result;
	MUST(rival_runs, "no rival to wait for");
	rival_runs = false;
	return 0;
}

void *fake_malloc(size_t bytes);
void *fake_malloc(size_t bytes)
{
	MUST(bytes <= HARNESS_MAX_SAMPLES * sizeof(struct harness_sample),
	     "the harness asks for %zu bytes", bytes);
	return malloc(bytes);
}
