/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/abi/sets.h"

#include "guest/cpu/percpu.h"

static const struct {
	u32 count, cpu[3];
} members[] = {
	[SET_ONE] = { 1, { 1 } },
	[SET_TWO] = { 2, { 1, 2 } },
	[SET_SELF] = { 1, { 0 } },
	[SET_SELF_AND_ONE] = { 2, { 0, 1 } },
	[SET_63] = { 1, { 63 } },
	[SET_64] = { 1, { 64 } },
	[SET_65] = { 1, { 65 } },
	[SET_63_64] = { 2, { 63, 64 } },
	[SET_63_64_65] = { 3, { 63, 64, 65 } },
	[SET_1_64] = { 2, { 1, 64 } },
	[SET_OTHERS] = { 0 },
	[SET_ALL] = { 0 },
};

/* The first of them, one in the middle, the last. */
static void pick_probes(const struct cpumask *cpus, struct cpumask *probes)
{
	u32 n = cpumask_weight(cpus), i = 0;

	for_each_cpu (cpu, cpus) {
		if (i == 0 || i == n / 2 || i == n - 1)
			cpumask_set(probes, cpu);
		i++;
	}
}

bool set_cpus(enum target_set set, struct cpumask *cpus, struct cpumask *probes, struct finding *f)
{
	cpumask_clear_all(cpus);
	cpumask_clear_all(probes);
	if (set == SET_OTHERS || set == SET_ALL) {
		for (u32 cpu = set == SET_OTHERS; cpu < cpu_count(); cpu++)
			cpumask_set(cpus, cpu);
	}
	for (u32 i = 0; i < members[set].count; i++) {
		if (!check_has_cpus(members[set].cpu[i], f))
			return false;
		cpumask_set(cpus, members[set].cpu[i]);
	}
	pick_probes(cpus, probes);
	return true;
}
