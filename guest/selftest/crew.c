/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/selftest/crew.h"

#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/print.h"
#include "guest/sched/thread.h"

static struct member {
	_Alignas(CACHE_LINE) struct thread *thread;
	crew_job *fn; /* NULL: the end */
	void *arg;
	u64 result;
	u32 asked, done; /* jobs; job, argument and result lie between their stores */
} crew[GUEST_MAX_CPUS];

static void work(void *arg)
{
	struct member *m = arg;
	u32 polls = 0;

	for (;;) {
		while (__atomic_load_n(&m->asked, __ATOMIC_ACQUIRE) == m->done)
			cpu_poll(&polls);
		if (!m->fn)
			return;
		m->result = m->fn(m->arg);
		__atomic_store_n(&m->done, m->done + 1, __ATOMIC_RELEASE);
	}
}

static void post(struct member *m, crew_job *fn, void *arg)
{
	m->fn = fn;
	m->arg = arg;
	__atomic_store_n(&m->asked, m->asked + 1, __ATOMIC_RELEASE);
}

void crew_start(void)
{
	for_each_cpu (cpu, cpus_online()) {
		crew[cpu] = (struct member){ 0 };
		if (cpu != cpu_id())
			crew[cpu].thread = thread_create("crew", cpu, work, &crew[cpu]);
	}
}

static u64 await(struct member *m)
{
	u32 polls = 0;

	while (__atomic_load_n(&m->done, __ATOMIC_ACQUIRE) != m->asked)
		cpu_poll(&polls);
	return m->result;
}

u64 crew_ask(u32 cpu, crew_job *fn, void *arg)
{
	ASSERT(crew[cpu].thread);
	post(&crew[cpu], fn, arg);
	return await(&crew[cpu]);
}

u64 crew_ask_all(crew_job *fn, void *arg)
{
	u64 sum = 0;

	for_each_cpu (cpu, cpus_online()) {
		if (crew[cpu].thread)
			post(&crew[cpu], fn, arg);
	}
	for_each_cpu (cpu, cpus_online()) {
		if (crew[cpu].thread)
			sum += await(&crew[cpu]);
	}
	return sum;
}

void crew_stop(void)
{
	for_each_cpu (cpu, cpus_online()) {
		if (!crew[cpu].thread)
			continue;
		post(&crew[cpu], NULL, NULL);
		thread_join(crew[cpu].thread);
	}
}
