/* SPDX-License-Identifier: BSD-2-Clause */
/* The run loop of vmm/vcpu.c: flushes, and the state page. */
#include "unit.h"

#include <errno.h>

#include "shared/hyperflush_abi.h"
#include "vcpu_fixture.h"

/* Without a request a flush does not wait for the exit. */
static enum run_end is_only_flushed(unsigned entry)
{
	if (entry == 0) {
		flush_post(&machine.flush, 0);
		return EXITS;
	}
	EXPECT(fake.sregs.cr3 == ON_FROM);
	EXPECT(fake.flushes == 1);
	EXPECT(fake.runs == 2);
	stop();
	return KICKED;
}

/* M-FLUSH-11 */
static void plain_flush(void **state)
{
	(void)state;
	run(is_only_flushed);
}

/* An interrupt whose delivery the kick has cut short is KVM's to deliver. */
static enum run_end is_interrupted(unsigned entry)
{
	if (entry == 0) {
		fake.sregs.interrupt_bitmap[2] = 1ull << 17;
		flush_post(&machine.flush, 0);
		return KICKED;
	}
	EXPECT(fake.flushes == 1);
	stop();
	return KICKED;
}

/* M-FLUSH-11 */
static void interrupt_is_not_repeated(void **state)
{
	(void)state;
	run(is_interrupted);
}

/* In long mode CS.L is the guest's, outside of it means nothing: no guest makes the host fail. */
static enum run_end leaves_long_mode(unsigned entry)
{
	if (entry == 0) {
		fake.sregs.cs.l = 1;
	} else if (entry == 1) {
		EXPECT(fake.sregs.cs.l);
		fake.sregs.efer = 0;
	}
	EXPECT(fake.flushes == entry);
	if (entry == 2)
		stop();
	else
		flush_post(&machine.flush, 0);
	return KICKED;
}

/* M-FLUSH-11 */
static void flushed_in_any_mode(void **state)
{
	(void)state;
	run(leaves_long_mode);
	assert_int_equal(fake.entries, 3);
}

/* KVM accepts the INIT while the loop asks for it: what the registers were before is past. */
static enum run_end gets_its_init(unsigned entry)
{
	if (entry == 0) {
		flush_post(&machine.flush, 0);
		fake.init_comes = true;
		return KICKED;
	}
	EXPECT(!fake.sregs.cr3);
	EXPECT(fake.flushes == 1);
	stop();
	return KICKED;
}

/* M-FLUSH-11 */
static void init_is_not_undone(void **state)
{
	(void)state;
	fake.mp_state = KVM_MP_STATE_UNINITIALIZED;
	vcpu.initialised = false;
	run(gets_its_init);
	assert_int_equal(fake.entries, 2);
}

static struct hf_vcpu_state *state_page(void)
{
	return gmem_ptr(&machine.mem, STATE, sizeof(struct hf_vcpu_state));
}

static enum run_end looks_at_its_state(unsigned entry)
{
	EXPECT(state_page()->in_run == 1);
	EXPECT(state_page()->flushes == fake.flushes);
	if (entry == 0)
		flush_post(&machine.flush, 0);
	if (entry == 2)
		stop();
	return entry == 1 ? EXITS : KICKED;
}

static void not_in_run_at_an_exit(void)
{
	EXPECT(state_page()->in_run == 0);
	EXPECT(state_page()->flushes == 1);
}

/* M-STATE-2, M-STATE-3 */
static void state_is_written(void **unused)
{
	(void)unused;
	vcpu.state = state_page();
	at_exit = not_in_run_at_an_exit;
	run(looks_at_its_state);
	assert_int_equal(fake.flushes, 1);
	assert_int_equal(state_page()->in_run, 0);
	assert_int_equal(vcpu.flushes, 1);
}

static enum run_end is_flushed_by_a_failing_host(unsigned entry)
{
	EXPECT(entry == 0);
	flush_post(&machine.flush, 0);
	fake.set_error = -EINVAL;
	return KICKED;
}

/* The run is over before the next instruction, and nobody is told of a flush. */
static void failing_host(void **unused)
{
	(void)unused;
	vcpu.state = state_page();
	run(is_flushed_by_a_failing_host);
	assert_int_equal(machine.status, RUN_HOST_ERROR);
	assert_int_equal(fake.runs, 1);
	assert_int_equal(vcpu.flushes, 0);
	assert_int_equal(state_page()->flushes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VCPU_TEST(plain_flush),		VCPU_TEST(interrupt_is_not_repeated),
		VCPU_TEST(flushed_in_any_mode), VCPU_TEST(init_is_not_undone),
		VCPU_TEST(state_is_written),	VCPU_TEST(failing_host),
	};

	return cmocka_run_group_tests_name("vcpu", tests, NULL, NULL);
}
