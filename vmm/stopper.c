/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "stopper.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <x86intrin.h>

#define US_PER_S  1000000ull
#define NS_PER_US 1000ull

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * US_PER_S + (uint64_t)ts.tv_nsec / NS_PER_US;
}

/* MMIX's generator (Knuth). */
static uint64_t random_below(struct stopper *s, uint64_t n)
{
	s->random = s->random * 6364136223846793005ull + 1442695040888963407ull;
	return (s->random >> 32) % n;
}

static void sleep_us(uint64_t us)
{
	struct timespec ts = { .tv_sec = (time_t)(us / US_PER_S),
			       .tv_nsec = (long)(us % US_PER_S * NS_PER_US) };

	nanosleep(&ts, NULL);
}

static bool go_to(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/* How often the calling thread has left its CPU. */
static long switches_so_far(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw + usage.ru_nvcsw;
}

/* A stop during which this thread left the CPU proves nothing: it is not counted. */
static void stop_once(struct stopper *s, bool first)
{
	struct harness_stops *t = &s->stops;
	unsigned vcpu = t->first + (unsigned)random_below(s, t->count);
	uint64_t length = t->shortest_us + random_below(s, t->longest_us - t->shortest_us + 1ull);
	uint64_t word, end;
	long switches;

	t->in_force = 0;
	if (!go_to(s->cpu[vcpu]))
		return;
	switches = switches_so_far();
	end = now_us() + length;
	if (gmem_read(s->mem, t->words_gpa + vcpu * sizeof(word), &word, sizeof(word)))
		word = 0;
	if (first)
		sem_post(&s->begun);
	/* The PAUSE is for emulators that run CPUs in turn. */
	while (now_us() < end && !atomic_load(&s->end))
		_mm_pause();
	if (switches != switches_so_far())
		return;
	t->stops++;
	t->inside += word != 0;
	t->in_force = atomic_load(&s->end) && now_us() < end;
}

static void *stopper_main(void *arg)
{
	struct stopper *s = arg;

	stop_once(s, true);
	sem_post(&s->begun);
	while (!atomic_load(&s->end)) {
		sleep_us(random_below(s, s->stops.longest_us));
		stop_once(s, false);
	}
	return NULL;
}

static int start_thread(struct stopper *s)
{
	struct sched_param param = { .sched_priority = sched_get_priority_min(SCHED_FIFO) };
	pthread_attr_t attr;
	int err = pthread_attr_init(&attr);

	if (err)
		return -err;
	err = pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	if (!err)
		err = pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	if (!err)
		err = pthread_attr_setschedparam(&attr, &param);
	if (!err)
		err = pthread_create(&s->thread, &attr, stopper_main, s);
	pthread_attr_destroy(&attr);
	return -err;
}

int stopper_start(struct stopper *s, const struct harness_stops *stops, const struct gmem *mem,
		  const unsigned *cpu)
{
	stopper_end(s);
	*s = (struct stopper){ .mem = mem, .cpu = cpu, .stops = *stops, .random = 1 };
	s->stops.stops = s->stops.inside = s->stops.in_force = 0;
	sem_init(&s->begun, 0, 0);
	int err = start_thread(s);

	if (err) {
		sem_destroy(&s->begun);
		return err;
	}
	s->running = true;
	while (sem_wait(&s->begun) && errno == EINTR)
		continue;
	return 0;
}

void stopper_end(struct stopper *s)
{
	if (!s->running)
		return;
	atomic_store(&s->end, true);
	pthread_join(s->thread, NULL);
	sem_destroy(&s->begun);
	s->running = false;
}
