/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/stress/findings.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/ktap.h"

static struct {
	u32 count;
	u32 cpu;
	u64 va, expected, found;
} record[FINDING_COUNT];

static const char *const names[FINDING_COUNT] = {
#define FINDING_NAME(id, name) name,
	FINDINGS(FINDING_NAME)
#undef FINDING_NAME
};

void finding(enum finding kind, u64 va, u64 expected, u64 found)
{
	if (mem_fetch_add(&record[kind].count, 1))
		return;
	record[kind].cpu = cpu_id();
	record[kind].va = va;
	record[kind].expected = expected;
	record[kind].found = found;
}

void findings_reset(void)
{
	for (u32 i = 0; i < FINDING_COUNT; i++)
		mem_store(&record[i].count, 0);
}

u32 findings_of(enum finding kind)
{
	return mem_load(&record[kind].count);
}

u32 findings_all(void)
{
	u32 sum = 0;

	for (u32 i = 0; i < FINDING_COUNT; i++)
		sum += findings_of((enum finding)i);
	return sum;
}

void findings_show(void)
{
	for (u32 i = 0; i < FINDING_COUNT; i++) {
		if (record[i].count)
			ktap_diag("%u times: %s; first on CPU %u at %#lx: %#lx, not %#lx",
				  record[i].count, names[i], record[i].cpu, record[i].va,
				  record[i].found, record[i].expected);
	}
}
