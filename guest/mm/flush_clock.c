/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/mm/flush_clock.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/flush.h"

/* Ticks once for each full flush. From 1 on: 0 is before all stamps (vmap.c). */
static _Alignas(CACHE_LINE) u64 now = 1;

/* The caller's locked clear is the barrier: a flush that began before it has a tick up to this. */
u64 flush_clock_stamp(void)
{
	return mem_load(&now);
}

u64 flush_clock_tick(void)
{
	return mem_add(&now, 1);
}

/* Stores stay in order behind the flush, which is a serialising instruction. */
void flush_clock_publish(u64 tick)
{
	mem_store(&this_mm_cpu()->flushed_at, tick);
}

static void credit(u32 cpu, u64 tick)
{
	u64 *at = &mm_cpu(cpu)->credited_at;
	u64 old = mem_load(at);

	while (old < tick && !mem_cas(at, &old, tick))
		continue;
}

void flush_clock_credit(const struct cpumask *cpus, u64 tick)
{
	for_each_cpu (cpu, cpus)
		credit(cpu, tick);
}

void flush_clock_look(void)
{
	u64 tick = flush_clock_tick();

	for_each_cpu (cpu, cpus_online()) {
		struct mm_cpu *c = mm_cpu(cpu);
		u64 count = flush_host_count(cpu);

		if (count != c->count_seen)
			credit(cpu, c->seen_at);
		c->count_seen = count;
		c->seen_at = tick;
	}
}

static u64 last_flush(u32 cpu)
{
	u64 own = mem_load(&mm_cpu(cpu)->flushed_at),
	    credited = mem_load(&mm_cpu(cpu)->credited_at);

	return MAX(own, credited);
}

u64 flush_clock_horizon(void)
{
	u64 least = UINT64_MAX;

	for_each_cpu (cpu, cpus_online()) {
		u64 at = last_flush(cpu);

		least = MIN(least, at);
	}
	return least;
}

void flush_clock_stale(u64 stamp, struct cpumask *out)
{
	cpumask_clear_all(out);
	for_each_cpu (cpu, cpus_online()) {
		if (last_flush(cpu) <= stamp)
			cpumask_set(out, cpu);
	}
}
