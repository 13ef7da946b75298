/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "placement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <x86intrin.h>

/* Overcommitted: this many vCPUs a CPU if OVERCOMMIT_CPUS suffice, else as many as it takes. */
#define OVERCOMMIT_RATIO 4u
#define OVERCOMMIT_CPUS	 4u

#define RIVAL_BURN 1000u /* turns of a loop between two looks */

int placement_init(struct placement *p)
{
	cpu_set_t set;

	*p = (struct placement){ 0 };
	if (sched_getaffinity(0, sizeof(set), &set))
		return -errno;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			p->cpus[p->cpu_count++] = cpu;
	return 0;
}

void placement_destroy(struct placement *p)
{
	placement_stop_rival(p);
	free(p->spans);
	p->spans = NULL;
}

static cpu_set_t only(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return set;
}

/* How often the calling thread has left its CPU, of its own will (a page fault may sleep) or not.
 */
static long switches_so_far(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw + usage.ru_nvcsw;
}

/* Burns CPU time; a PAUSE now and then, for emulators that run CPUs in turn. */
static void burn(void)
{
	for (volatile unsigned i = 0; i < RIVAL_BURN; i++)
		if (i % 16 == 0)
			_mm_pause();
}

static void *rival_main(void *arg)
{
	struct placement *p = arg;
	long switches = -1;

	while (!atomic_load_explicit(&p->rival_stop, memory_order_relaxed)) {
		uint64_t before = __rdtsc();
		long now = switches_so_far();

		if (now != switches) {
			if (p->span_count == RIVAL_MAX_SPANS)
				break; /* later calls are not judged; the victim runs free */
			before = __rdtsc();
			p->spans[p->span_count++].first = before;
			switches = now;
		}
		/* No switch since `first` was read: the victim did not run until here. */
		p->spans[p->span_count - 1].last = before;
		burn();
	}
	return NULL;
}

static int start_rival(struct placement *p, unsigned cpu)
{
	if (!p->spans)
		p->spans = calloc(RIVAL_MAX_SPANS, sizeof(*p->spans));
	if (!p->spans)
		return -ENOMEM;
	atomic_store(&p->rival_stop, false);

	cpu_set_t set = only(cpu);
	pthread_attr_t attr;
	int err = pthread_attr_init(&attr);

	if (err)
		return -err;
	err = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	if (!err)
		err = pthread_create(&p->rival, &attr, rival_main, p);
	pthread_attr_destroy(&attr);
	p->has_rival = !err;
	return -err;
}

void placement_stop_rival(struct placement *p)
{
	if (!p->has_rival)
		return;
	atomic_store(&p->rival_stop, true);
	pthread_join(p->rival, NULL);
	p->has_rival = false;
}

static unsigned overcommitted_cpus(const struct placement *p, unsigned vcpus)
{
	unsigned cpus = vcpus / OVERCOMMIT_RATIO;

	if (cpus > OVERCOMMIT_CPUS)
		cpus = OVERCOMMIT_CPUS;
	if (cpus > p->cpu_count)
		cpus = p->cpu_count;
	return cpus ? cpus : 1;
}

/* Blocks of neighbours share a CPU. */
unsigned placement_cpu(const struct placement *p, const struct harness_place *place, unsigned i)
{
	return p->cpus[i * place->cpus / place->vcpus];
}

int placement_apply(struct placement *p, const pid_t *tids, unsigned count,
		    struct harness_place *place, char *text, size_t text_size)
{
	unsigned n = place->vcpus;

	if (n < 2 || n > count) {
		snprintf(text, text_size, "%u of %u vCPUs cannot be placed", n, count);
		return HARNESS_EINVAL;
	}
	switch (place->placement) {
	case HARNESS_OVERCOMMITTED:
		place->cpus = overcommitted_cpus(p, n);
		break;
	case HARNESS_OWN_CPU:
	case HARNESS_DESCHEDULED:
		if (n > p->cpu_count) {
			snprintf(text, text_size, "%u vCPUs need as many host CPUs, there are %u",
				 n, p->cpu_count);
			return HARNESS_ENOTSUP;
		}
		place->cpus = n;
		break;
	default:
		snprintf(text, text_size, "no placement %u", place->placement);
		return HARNESS_EINVAL;
	}
	place->ratio = (n + place->cpus - 1) / place->cpus;
	placement_stop_rival(p);
	p->span_count = 0;
	for (unsigned i = 0; i < n; i++) {
		cpu_set_t set = only(placement_cpu(p, place, i));

		if (sched_setaffinity(tids[i], sizeof(set), &set)) {
			snprintf(text, text_size, "cannot bind vCPU %u to a CPU: %s", i,
				 strerror(errno));
			return HARNESS_ENOTSUP;
		}
	}
	if (place->placement == HARNESS_DESCHEDULED && start_rival(p, p->cpus[HARNESS_VICTIM])) {
		snprintf(text, text_size, "cannot start the rival thread");
		return HARNESS_ENOTSUP;
	}
	return HARNESS_EOK;
}

bool placement_off_cpu(const struct placement *p, uint64_t first, uint64_t last)
{
	size_t low = 0, high = p->span_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->spans[mid].last < last)
			low = mid + 1;
		else
			high = mid;
	}
	return first <= last && low < p->span_count && p->spans[low].first <= first;
}
