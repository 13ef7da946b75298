/* SPDX-License-Identifier: BSD-2-Clause */
/* The run loop of vmm/vcpu.c: how it serves a `detach`. */
#include "unit.h"

#include <errno.h>

#include "shared/hyperflush_abi.h"
#include "vcpu_fixture.h"

static void expect_moved(void)
{
	EXPECT(fake.sregs.cr3 == TO);
	EXPECT(atomic_load(word()) == (TO | HF_MOVED));
	EXPECT(atomic_load(&slot->state) == DETACH_MOVED);
	EXPECT(fake.flushes == 1);
	EXPECT(atomic_load(&target->flushes) == 1);
	EXPECT(!vcpu.run->immediate_exit);
	EXPECT(!atomic_load(&target->pending));
}

static void expect_kept(uint64_t cr3, uint64_t lazy_word)
{
	EXPECT(fake.sregs.cr3 == cr3);
	EXPECT(atomic_load(word()) == lazy_word);
	EXPECT(atomic_load(&slot->state) == DETACH_KEPT);
	EXPECT(fake.flushes == 1);
}

static enum run_end is_kicked(unsigned entry)
{
	if (entry == 0) {
		post();
		return KICKED;
	}
	expect_moved();
	stop();
	return KICKED;
}

/* M-DETACH-1 */
static void moved_out_of_the_guest(void **state)
{
	(void)state;
	run(is_kicked);
	assert_int_equal(fake.entries, 2);
	assert_int_equal(fake.runs, 2);
}

/* The exit is finished in a KVM_RUN of its own; after the move the loop goes on as ever. */
static enum run_end leaves_an_exit(unsigned entry)
{
	if (entry == 0) {
		post();
		return EXITS;
	}
	if (entry == 1) {
		expect_moved();
		EXPECT(fake.finished == 1);
		return EXITS;
	}
	EXPECT(!vcpu.run->immediate_exit);
	EXPECT(fake.runs == 4);
	stop();
	return KICKED;
}

static void exit_is_finished_first(void **state)
{
	(void)state;
	run(leaves_an_exit);
	assert_int_equal(fake.entries, 3);
}

static enum run_end leaves_a_chain(unsigned entry)
{
	if (entry == 0) {
		fake.fragments = 3;
		post();
		return EXITS;
	}
	expect_moved();
	EXPECT(fake.finished == 4);
	stop();
	return KICKED;
}

static void exits_that_lead_to_exits(void **state)
{
	(void)state;
	run(leaves_a_chain);
	assert_int_equal(fake.entries, 2);
}

static void cancel(void)
{
	atomic_store(&slot->state, DETACH_IDLE);
	at_exit = at_take = NULL;
}

static void cancel_while_it_is_finished(void)
{
	if (fake.finished)
		cancel();
}

/* The flush that came with the request is carried out all the same. */
static enum run_end is_cancelled(unsigned entry)
{
	if (entry == 0) {
		post();
		fake.fragments = 1;
		return EXITS;
	}
	EXPECT(fake.sregs.cr3 == ON_FROM);
	EXPECT(atomic_load(word()) == (FROM | HF_LAZY));
	EXPECT(atomic_load(&slot->state) == DETACH_IDLE);
	EXPECT(fake.flushes == 1);
	EXPECT(atomic_load(&target->flushes) == 1);
	stop();
	return KICKED;
}

static void cancelled_before_it_was_seen(void **state)
{
	(void)state;
	at_exit = cancel;
	run(is_cancelled);
}

static enum run_end is_cancelled_at_the_last_moment(unsigned entry)
{
	if (entry == 0) {
		post();
		return KICKED;
	}
	return is_cancelled(entry);
}

/* M-DETACH-4 */
static void cancelled_before_it_was_taken(void **state)
{
	(void)state;
	at_take = cancel;
	run(is_cancelled_at_the_last_moment);
}

static void cancelled_while_the_exit_is_finished(void **state)
{
	(void)state;
	at_exit = cancel_while_it_is_finished;
	run(is_cancelled);
}

static enum run_end is_active(unsigned entry)
{
	if (entry == 0) {
		atomic_store(word(), FROM | HF_ACTIVE);
		post();
		return KICKED;
	}
	expect_kept(ON_FROM, FROM | HF_ACTIVE);
	stop();
	return KICKED;
}

/* M-DETACH-2 */
static void active_root_stays(void **state)
{
	(void)state;
	run(is_active);
}

/* The guest claims its root after the request, before it leaves the guest. */
static enum run_end claims(unsigned entry)
{
	uint64_t expected = FROM | HF_LAZY;

	if (entry == 0) {
		post();
		EXPECT(atomic_compare_exchange_strong(word(), &expected, FROM | HF_ACTIVE));
		return EXITS;
	}
	expect_kept(ON_FROM, FROM | HF_ACTIVE);
	stop();
	return KICKED;
}

/* M-DETACH-2 */
static void root_claimed_in_time_stays(void **state)
{
	(void)state;
	run(claims);
}

static enum run_end is_elsewhere(unsigned entry)
{
	if (entry == 0) {
		fake.sregs.cr3 = 0x30000;
		atomic_store(word(), 0x30000 | HF_LAZY);
		post();
		return KICKED;
	}
	expect_kept(0x30000, 0x30000 | HF_LAZY);
	stop();
	return KICKED;
}

/* M-DETACH-2 */
static void other_root_stays(void **state)
{
	(void)state;
	run(is_elsewhere);
}

/* 0 is not the word at gpa 0. */
static enum run_end has_no_word(unsigned entry)
{
	uint64_t *first = gmem_ptr(&machine.mem, 0, sizeof(*first));

	if (entry == 0) {
		vcpu.lazy_word = 0;
		*first = FROM | HF_LAZY;
		post();
		return KICKED;
	}
	EXPECT(*first == (FROM | HF_LAZY));
	expect_kept(ON_FROM, FROM | HF_LAZY);
	stop();
	return KICKED;
}

/* M-DETACH-2 */
static void no_lazy_word(void **state)
{
	(void)state;
	run(has_no_word);
}

/* It has never executed an instruction, whatever the word says. */
static enum run_end waits_for_init(unsigned entry)
{
	if (entry == 0) {
		post();
		return KICKED;
	}
	EXPECT(atomic_load(word()) == (FROM | HF_LAZY));
	EXPECT(atomic_load(&slot->state) == DETACH_KEPT);
	EXPECT(!fake.flushes);
	stop();
	return KICKED;
}

/* M-RESET-1 */
static void not_initialised(void **state)
{
	(void)state;
	fake.mp_state = KVM_MP_STATE_UNINITIALIZED;
	vcpu.initialised = false;
	run(waits_for_init);
	assert_int_equal(fake.entries, 2);
}

static enum run_end meets_a_failing_host(unsigned entry)
{
	EXPECT(entry == 0);
	post();
	fake.set_error = -EINVAL;
	return KICKED;
}

/* The run is over; nobody is told that the vCPU is on the new root. */
static void failing_host(void **state)
{
	(void)state;
	run(meets_a_failing_host);
	assert_int_equal(machine.status, RUN_HOST_ERROR);
	assert_int_equal(fake.runs, 1);
	assert_int_equal(vcpu.flushes, 0);
	if (atomic_load(&slot->state) != DETACH_KEPT)
		fail_msg("moved, though CR3 could not be written");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VCPU_TEST(moved_out_of_the_guest),
		VCPU_TEST(exit_is_finished_first),
		VCPU_TEST(exits_that_lead_to_exits),
		VCPU_TEST(cancelled_before_it_was_seen),
		VCPU_TEST(cancelled_before_it_was_taken),
		VCPU_TEST(cancelled_while_the_exit_is_finished),
		VCPU_TEST(active_root_stays),
		VCPU_TEST(root_claimed_in_time_stays),
		VCPU_TEST(other_root_stays),
		VCPU_TEST(no_lazy_word),
		VCPU_TEST(not_initialised),
		VCPU_TEST(failing_host),
	};

	return cmocka_run_group_tests_name("vcpu: detach", tests, NULL, NULL);
}
