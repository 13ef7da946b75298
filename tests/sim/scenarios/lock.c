/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/sched/mutex.c itself, which the other scenarios do without. */
#include "guest/cpu/memory.h"
#include "guest/sched/mutex.h"
#include "tests/sim/scenario.h"

void real_mutex_lock(struct mutex *m);
void real_mutex_unlock(struct mutex *m);
bool real_mutex_held(const struct mutex *m);

static struct mutex m;
static u64 inside, total;

static void contend(void *rounds)
{
	for (u64 i = 0; i < (u64)rounds; i++) {
		real_mutex_lock(&m);
		EXPECT(real_mutex_held(&m));
		EXPECT(mem_load(&inside) == 0);
		mem_store(&inside, 1);
		if (i)
			thread_yield();
		mem_store(&total, mem_load(&total) + 1);
		mem_store(&inside, 0);
		real_mutex_unlock(&m);
	}
}

static void set_up(void)
{
	m = (struct mutex){ 0 };
	inside = total = 0;
	scene_thread(0, "one", NULL, contend, (void *)2);
	scene_thread(0, "two", NULL, contend, (void *)1);
	scene_thread(1, "three", NULL, contend, (void *)2);
	scene_thread(2, "four", NULL, contend, (void *)1);
}

static void all_came_in(void)
{
	EXPECT(total == 6);
}

const struct sim_scenario lock_scenarios[] = {
	{ .name = "lock-mutex",
	  .what = "four threads, three CPUs, one mutex",
	  .cpus = 3,
	  .flush = "ipi",
	  .setup = set_up,
	  .check = all_came_in },
	{ 0 },
};
