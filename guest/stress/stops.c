/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/stress/stops.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/mm/page.h"

static u64 words[GUEST_MAX_CPUS] __attribute__((aligned(PAGE_SIZE)));

u64 *stops_word(void)
{
	return &words[cpu_id()];
}

bool stops_begin(u32 first, u32 count, u32 shortest_us, u32 longest_us, char *why)
{
	struct harness_stops stops = {
		.words_gpa = virt_to_phys(words),
		.first = first,
		.count = count,
		.shortest_us = shortest_us,
		.longest_us = longest_us,
	};
	struct harness_place place;

	if (harness_place(HARNESS_OWN_CPU, cpu_count(), &place, why) &&
	    harness_place(HARNESS_OVERCOMMITTED, cpu_count(), &place, why))
		return false;
	return !harness_stop(&stops, why);
}

struct harness_stops stops_end(void)
{
	return harness_stop_end();
}
