/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/flush.c on one thread: what it does to whom, in which order. Races: test_flush_model.c. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/flush.h"
#include "vmm/hypercall.h"

#define TARGETS	  HF_MAX_VCPUS
#define MAX_CALLS 8u
#define BARRIER	  UINT32_MAX

struct fixture {
	struct flush_target *targets;
	struct flush_service service;
	unsigned calls[MAX_CALLS]; /* vCPUs kicked, and BARRIER */
	unsigned count;
};

static void note(struct fixture *f, unsigned what)
{
	assert_true(f->count < MAX_CALLS);
	f->calls[f->count++] = what;
}

/* The target leaves KVM_RUN at once, so that a strong request ends on this one thread. */
static void kick(void *ctx, unsigned vcpu)
{
	struct fixture *f = ctx;

	note(f, vcpu);
	flush_leave(&f->targets[vcpu]);
}

static void barrier(void *ctx)
{
	note(ctx, BARRIER);
}

static const struct flush_ops ops = { .kick = kick, .barrier = barrier };

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->targets = aligned_alloc(_Alignof(struct flush_target), TARGETS * sizeof(*f->targets));
	assert_non_null(f->targets);
	memset(f->targets, 0, TARGETS * sizeof(*f->targets));
	f->service = (struct flush_service){ f->targets, TARGETS, &ops, f };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->targets);
	test_free(f);
	return 0;
}

static void add(struct vcpu_set *set, unsigned vcpu)
{
	set->bank[vcpu / HF_BANK_BITS] |= 1ull << (vcpu % HF_BANK_BITS);
}

static void nothing_pending_at_first(void **state)
{
	struct fixture *f = *state;

	assert_false(flush_enter(&f->targets[0]));
	flush_leave(&f->targets[0]);
	assert_int_equal(f->targets[0].flushes, 0);
}

/* M-FLUSH-2 */
static void target_outside_is_not_kicked(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set = { 0 };

	add(&set, 5);
	flush_request(&f->service, &set, false);
	assert_int_equal(f->count, 0);
	assert_true(flush_enter(&f->targets[5]));
	flush_leave(&f->targets[5]);
	assert_false(flush_enter(&f->targets[5]));
	assert_int_equal(f->targets[5].flushes, 1);
	assert_int_equal(f->targets[5].kicks, 0);
}

static void requests_merge(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set = { 0 };

	add(&set, 0);
	flush_request(&f->service, &set, false);
	flush_request(&f->service, &set, true);
	assert_true(flush_enter(&f->targets[0]));
	flush_leave(&f->targets[0]);
	assert_false(flush_enter(&f->targets[0]));
	assert_int_equal(f->targets[0].flushes, 1);
}

static void one_barrier_after_all_kicks(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set = { 0 };
	static const unsigned running[] = { 0, 63, 64, 4095 };

	for (size_t i = 0; i < COUNT_OF(running); i++) {
		add(&set, running[i]);
		assert_false(flush_enter(&f->targets[running[i]]));
	}
	add(&set, 1); /* outside */
	flush_request(&f->service, &set, false);
	assert_int_equal(f->count, COUNT_OF(running) + 1);
	for (size_t i = 0; i < COUNT_OF(running); i++) {
		assert_int_equal(f->calls[i], running[i]);
		assert_int_equal(f->targets[running[i]].kicks, 1);
		assert_true(flush_enter(&f->targets[running[i]]));
	}
	assert_int_equal(f->calls[COUNT_OF(running)], BARRIER);
	assert_int_equal(f->targets[1].kicks, 0);
}

/* Its targets have left KVM_RUN, which is more than the barrier gives. */
static void strong_needs_no_barrier(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set = { 0 };

	add(&set, 64);
	flush_enter(&f->targets[64]);
	flush_request(&f->service, &set, true);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->calls[0], 64);
	assert_true(flush_enter(&f->targets[64]));
}

static void nobody_else_is_touched(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set = { 0 };

	add(&set, 65);
	for (unsigned i = 60; i < 70; i++)
		flush_enter(&f->targets[i]);
	flush_request(&f->service, &set, false);
	for (unsigned i = 60; i < 70; i++)
		assert_int_equal(f->targets[i].pending, i == 65);
	assert_int_equal(f->count, 2);
}

static void empty_set(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set = { 0 };

	flush_enter(&f->targets[0]);
	flush_request(&f->service, &set, false);
	flush_request(&f->service, &set, true);
	assert_int_equal(f->count, 0);
	assert_int_equal(f->targets[0].pending, 0);
}

static void everyone(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set;

	vcpu_set_fill(&set, TARGETS);
	flush_request(&f->service, &set, false);
	for (unsigned i = 0; i < TARGETS; i++)
		assert_true(flush_enter(&f->targets[i]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_pending_at_first),
		TEST(target_outside_is_not_kicked),
		TEST(requests_merge),
		TEST(one_barrier_after_all_kicks),
		TEST(strong_needs_no_barrier),
		TEST(nobody_else_is_touched),
		TEST(empty_set),
		TEST(everyone),
	};

	return cmocka_run_group_tests_name("flush", tests, NULL, NULL);
}
