/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/service.c, the MSRs of the ring and of the state page. */
#include "unit.h"

#include <string.h>

#include "service_fixture.h"
#include "vmm/service.h"

#define RING  0x5000u
#define STATE 0x6040u

static struct hf_ring *ring_at(uint64_t gpa)
{
	return gmem_ptr(&machine.mem, gpa, sizeof(struct hf_ring));
}

/* M-RING-1 */
static void ring_msr(void **state)
{
	static const uint64_t refused[] = { RING,	  RING | 2,	      RING | 3,
					    RING | 0x801, 1ull << 63,	      RAM_BYTES | 1,
					    UINT64_MAX,	  GMEM_HOLE_START | 1 };
	struct ring *own = &machine.rings.set.rings[SELF];
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		assert_false(wrmsr(self, HF_MSR_RING, refused[i]));
	assert_null(own->page);
	ring_at(RING)->tail = 7;
	assert_true(wrmsr(self, HF_MSR_RING, RING | 1));
	assert_ptr_equal(own->page, ring_at(RING));
	assert_int_equal(ring_at(RING)->completed, 7);
	assert_true(rdmsr(self, HF_MSR_RING, &value));
	assert_int_equal(value, RING | 1);
	assert_false(wrmsr(self, HF_MSR_RING, RING | 3)); /* and changes nothing */
	assert_ptr_equal(own->page, ring_at(RING));
	assert_true(rdmsr(&machine.vcpus[0], HF_MSR_RING, &value)); /* another one's */
	assert_int_equal(value, 0);
	assert_true(wrmsr(self, HF_MSR_RING, 0));
	assert_null(own->page);
	machine.advertised = 0;
	assert_false(wrmsr(self, HF_MSR_RING, RING | 1));
	assert_false(rdmsr(self, HF_MSR_RING, &value));
}

/* The last page of RAM, and a ring that would reach beyond it. */
static void ring_at_the_end_of_ram(void **state)
{
	(void)state;
	assert_true(wrmsr(self, HF_MSR_RING, (RAM_BYTES - 4096) | 1));
	assert_false(wrmsr(self, HF_MSR_RING, RAM_BYTES | 1));
}

/* M-STATE-1 */
static void state_msr(void **state)
{
	static const uint64_t refused[] = { STATE, STATE | 2,	  STATE | 0x21,
					    2,	   RAM_BYTES | 1, UINT64_MAX };
	const struct hf_vcpu_state *page = gmem_ptr(&machine.mem, STATE, sizeof(*page));
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		assert_false(wrmsr(self, HF_MSR_STATE, refused[i]));
	assert_null(self->state);
	self->flushes = 12;
	assert_true(wrmsr(self, HF_MSR_STATE, STATE | 1));
	assert_ptr_equal(self->state, page);
	assert_int_equal(page->flushes, 12);
	assert_true(rdmsr(self, HF_MSR_STATE, &value));
	assert_int_equal(value, STATE | 1);
	assert_null(machine.vcpus[0].state);
	assert_true(wrmsr(self, HF_MSR_STATE, 0));
	assert_null(self->state);
	machine.advertised = 0;
	assert_false(wrmsr(self, HF_MSR_STATE, STATE | 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVICE_TEST(ring_msr),
		SERVICE_TEST(ring_at_the_end_of_ram),
		SERVICE_TEST(state_msr),
	};

	return cmocka_run_group_tests_name("service: ring, state", tests, NULL, NULL);
}
