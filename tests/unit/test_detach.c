/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/detach.c on one thread: what it asks of whom, and what it makes of the answers. The kick
 * plays the target's thread. Races: test_detach_model.c, test_detach_threads.c.
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/detach.h"
#include "vmm/hypercall.h"

#define VCPUS HF_MAX_VCPUS
#define SELF  2u
/* Beyond all patience: a test that waited for it would never end. */
#define LONG UINT32_MAX

static const struct detach_roots roots = { 0x5000, 0x9000 };

struct fixture {
	struct flush_target *targets;
	struct detach_slot *slots;
	struct flush_service service;
	struct vcpu_set kicked;
	void (*answer)(struct fixture *f, unsigned vcpu);
};

/* The target comes out of KVM_RUN and finds a flush pending. */
static void kick(void *ctx, unsigned vcpu)
{
	struct fixture *f = ctx;

	vcpu_set_add(&f->kicked, vcpu);
	flush_leave(&f->targets[vcpu]);
	assert_true(flush_enter(&f->targets[vcpu]));
	f->answer(f, vcpu);
}

static void barrier(void *ctx)
{
	(void)ctx;
	fail(); /* it waits for answers instead */
}

static void *zeroed_lines(size_t bytes)
{
	void *p = aligned_alloc(64, bytes);

	assert_non_null(p);
	return memset(p, 0, bytes);
}

static int setup(void **state)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->targets = zeroed_lines(VCPUS * sizeof(*f->targets));
	f->slots = zeroed_lines(VCPUS * sizeof(*f->slots));
	f->service = (struct flush_service){ f->targets, VCPUS, &ops, f };
	*state = f;
	return 0;
}

/* Whatever a test did, no request is left behind. */
static int teardown(void **state)
{
	struct fixture *f = *state;
	unsigned busy = 0;

	for (unsigned i = 0; i < VCPUS; i++)
		busy += f->slots[i].state != DETACH_IDLE || f->slots[i].asking;
	free(f->targets);
	free(f->slots);
	test_free(f);
	return busy ? -1 : 0;
}

static void request(struct fixture *f, unsigned self, const struct vcpu_set *set,
		    uint32_t deadline_us, struct vcpu_set *moved)
{
	memset(moved, 0xff, sizeof(*moved));
	detach_request(&f->service, f->slots, self, set, &roots, deadline_us, moved);
}

static unsigned count(const struct vcpu_set *set)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VCPUS; i++)
		n += vcpu_set_test(set, i);
	return n;
}

static struct vcpu_set one(unsigned vcpu)
{
	struct vcpu_set set = { 0 };

	vcpu_set_add(&set, vcpu);
	return set;
}

static void answers_by_number(struct fixture *f, unsigned vcpu)
{
	struct detach_roots got;

	assert_true(detach_posted(&f->slots[vcpu]));
	assert_true(detach_take(&f->slots[vcpu], &got));
	assert_true(got.from == roots.from && got.to == roots.to);
	assert_false(detach_posted(&f->slots[vcpu]));
	assert_false(detach_take(&f->slots[vcpu], &got)); /* once only */
	detach_done(&f->slots[vcpu], vcpu % 3 != 0);
}

static void nothing_posted_at_first(void **state)
{
	struct fixture *f = *state;
	struct detach_roots got;

	assert_false(detach_posted(&f->slots[0]));
	assert_false(detach_take(&f->slots[0], &got));
}

static void moved_are_those_that_say_so(void **state)
{
	static const unsigned running[] = { 0, 1, 3, 63, 64, 65, 4094, 4095 };
	struct fixture *f = *state;
	struct vcpu_set set = { 0 }, moved;

	f->answer = answers_by_number;
	for (size_t i = 0; i < COUNT_OF(running); i++) {
		vcpu_set_add(&set, running[i]);
		assert_false(flush_enter(&f->targets[running[i]]));
	}
	assert_false(flush_enter(&f->targets[66])); /* not asked */
	request(f, SELF, &set, LONG, &moved);
	for (size_t i = 0; i < COUNT_OF(running); i++)
		assert_int_equal(vcpu_set_test(&moved, running[i]), running[i] % 3 != 0);
	assert_int_equal(count(&moved), 4);
	assert_memory_equal(&f->kicked, &set, sizeof(set));
	assert_int_equal(f->targets[66].pending, 0);
}

static void empty_set(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set none = { 0 }, moved;

	request(f, SELF, &none, LONG, &moved);
	assert_int_equal(count(&moved), 0);
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

/* M-DETACH-4, M-DETACH-5 */
static void everybody_outside_is_cancelled_at_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set, moved;
	struct detach_roots got;
	int64_t begun = now_us();

	vcpu_set_fill(&set, VCPUS);
	set.bank[0] &= ~(1ull << SELF);
	request(f, SELF, &set, 20000, &moved);
	assert_true(now_us() - begun >= 20000);
	assert_int_equal(count(&moved), 0);
	assert_int_equal(count(&f->kicked), 0);
	for (unsigned i = 0; i < VCPUS; i++) {
		assert_int_equal(f->targets[i].pending, i != SELF); /* seen when it next runs */
		assert_false(detach_take(&f->slots[i], &got));	    /* but too late */
	}
}

/* A deadline of nothing: who answers the kick at once is still heard. */
static void no_patience(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set = one(4), moved;

	f->answer = answers_by_number;
	vcpu_set_add(&set, 5);
	assert_false(flush_enter(&f->targets[4]));
	request(f, SELF, &set, 0, &moved);
	assert_true(vcpu_set_test(&moved, 4));
	assert_int_equal(count(&moved), 1);
}

/* While the target is asked by one initiator, another asks. */
static void second_initiator_asks(struct fixture *f, unsigned vcpu)
{
	struct vcpu_set set = one(vcpu), moved;

	request(f, SELF + 1, &set, LONG, &moved);
	assert_int_equal(count(&moved), 0);
	answers_by_number(f, vcpu);
}

/* M-DETACH-7 */
static void second_initiator_gets_nothing(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set = one(7), moved;

	f->answer = second_initiator_asks;
	assert_false(flush_enter(&f->targets[7]));
	request(f, SELF, &set, LONG, &moved);
	assert_true(vcpu_set_test(&moved, 7));
}

static void a_slot_can_be_used_again(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set = one(7), moved;

	request(f, SELF, &set, 0, &moved);
	assert_int_equal(count(&moved), 0);
	assert_true(flush_enter(&f->targets[7])); /* the flush that came with it */
	f->answer = answers_by_number;
	for (unsigned i = 0; i < 3; i++) {
		request(f, SELF + i, &set, LONG, &moved);
		assert_true(vcpu_set_test(&moved, 7));
	}
}

/* The target has become an initiator itself: it does not wait, and answers when it is back. */
static void target_asks_in_turn(struct fixture *f, unsigned vcpu)
{
	struct vcpu_set set = one(SELF), moved;

	request(f, vcpu, &set, LONG, &moved);
	assert_int_equal(count(&moved), 0);
	assert_false(detach_posted(&f->slots[SELF]));
	assert_true(detach_posted(&f->slots[vcpu]));
	answers_by_number(f, vcpu);
}

/* As long as the target is an initiator nobody waits for it. M-DETACH-6. */
static void target_that_asks_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set = one(8), moved;

	atomic_store(&f->slots[8].asking, 1);
	request(f, SELF, &set, LONG, &moved);
	assert_int_equal(count(&moved), 0);
	atomic_store(&f->slots[8].asking, 0);
	assert_int_equal(f->targets[8].pending, 1);
}

/* M-DETACH-6 */
static void two_that_ask_each_other(void **state)
{
	struct fixture *f = *state;
	struct vcpu_set set = one(7), moved;

	f->answer = target_asks_in_turn;
	assert_false(flush_enter(&f->targets[7]));
	request(f, SELF, &set, LONG, &moved);
	assert_true(vcpu_set_test(&moved, 7));
	assert_int_equal(f->targets[SELF].pending, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_posted_at_first),
		TEST(moved_are_those_that_say_so),
		TEST(empty_set),
		TEST(everybody_outside_is_cancelled_at_the_deadline),
		TEST(no_patience),
		TEST(second_initiator_gets_nothing),
		TEST(a_slot_can_be_used_again),
		TEST(target_that_asks_is_not_waited_for),
		TEST(two_that_ask_each_other),
	};

	return cmocka_run_group_tests_name("detach", tests, NULL, NULL);
}
