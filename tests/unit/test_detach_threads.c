/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/detach.c between real threads, for the sanitizers. Each vCPU thread in turn runs "the
 * guest", which takes and leaves the roots of others, and ends an address space of its own:
 * a new root for the next one, detach, then the references of those that were moved are
 * dropped. Whoever drops the last reference of a root frees it, so a vCPU that still uses it
 * is a use after free to ASan and a race to TSan: a root is plain memory, and only the request
 * orders a target's last use before the end. A root that nobody frees is a leak.
 */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/detach.h"

#define VCPUS	     4u
#define RUNNING	     (VCPUS - 1) /* the last one never runs */
#define ROUNDS	     2000u
#define RUNS	     8u /* in a round */
#define INSTRUCTIONS 12u
#define ROOT_BYTES   4096u
#define LIVE	     0x11feu
#define POISON	     0xdeadu

struct root {
	_Atomic unsigned references;
	uint32_t stamp; /* plain on purpose */
};

struct vcpu {
	_Alignas(64) _Atomic bool kicked; /* the signal: pending until it ends a KVM_RUN */
	_Atomic uint64_t word;		  /* the lazy word */
	_Atomic(struct root *) ending;	  /* what its `detach` in progress is about */
	struct root *cr3;
	struct root *exit_root; /* KVM uses it at the next KVM_RUN, to finish an exit; or NULL */
	struct root *own;	/* of its address space */
	unsigned index;
	uint32_t random;
	/* Of this thread. */
	uint64_t stale, unasked, moves, handed, kept;
};

static struct vcpu *vcpus;
static struct flush_target *targets;
static struct detach_slot *slots;
static struct flush_service service;
static struct root *kernel;
static pthread_mutex_t spaces_lock = PTHREAD_MUTEX_INITIALIZER;
static struct root *spaces[RUNNING]; /* roots to be had, each with a reference of its own */
static _Atomic unsigned unfinished, roots, overdrawn;

static unsigned choose(struct vcpu *v, unsigned n)
{
	v->random = v->random * 1664525u + 1013904223u; /* Numerical Recipes, ranqd1 */
	return (v->random >> 16) % n;
}

static uint64_t address(const struct root *r)
{
	return (uintptr_t)r;
}

static struct root *make_root(void)
{
	struct root *r = aligned_alloc(ROOT_BYTES, ROOT_BYTES);

	if (!r)
		abort();
	atomic_init(&r->references, 1);
	r->stamp = LIVE;
	atomic_fetch_add(&roots, 1);
	return r;
}

/* Drops so many references. */
static void put_root(struct root *r, unsigned count)
{
	unsigned before = atomic_fetch_sub(&r->references, count);

	if (before < count)
		atomic_fetch_add(&overdrawn, 1);
	if (before != count)
		return;
	r->stamp = POISON;
	free(r);
	atomic_fetch_sub(&roots, 1);
}

static void kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	atomic_store(&vcpus[vcpu].kicked, true);
}

static void barrier(void *ctx)
{
	(void)ctx;
	abort();
}

static void walk(struct vcpu *v, const struct root *r)
{
	v->stale += r->stamp != LIVE;
}

/* A kernel thread comes to run where a thread of that address space has run. */
static void become_lazy(struct vcpu *v)
{
	pthread_mutex_lock(&spaces_lock);
	struct root *r = spaces[choose(v, RUNNING)];

	atomic_fetch_add(&r->references, 1);
	pthread_mutex_unlock(&spaces_lock);
	v->cr3 = r;
	atomic_store(&v->word, address(r) | HF_LAZY);
}

/* Wants to leave its root, and learns whether it is still on it. */
static void leave(struct vcpu *v)
{
	struct root *r = v->cr3;
	uint64_t expected = address(r) | HF_LAZY;

	if (atomic_compare_exchange_strong(&v->word, &expected, address(r) | HF_ACTIVE)) {
		walk(v, r);
		v->cr3 = kernel;
		put_root(r, 1);
	} else {
		v->stale += expected != (address(kernel) | HF_MOVED) || v->cr3 != kernel;
	}
	atomic_store(&v->word, address(kernel) | HF_ACTIVE);
}

static void execute(struct vcpu *v)
{
	walk(v, v->cr3);
	switch (choose(v, 32)) {
	case 0:
		if (atomic_load(&v->word) != (address(kernel) | HF_ACTIVE))
			leave(v);
		break;
	case 1:
	case 2:
	case 3:
	case 4:
		if (atomic_load(&v->word) == (address(kernel) | HF_ACTIVE))
			become_lazy(v);
		break;
	default:
		break;
	}
}

static void halt(struct vcpu *v)
{
	/* Until a kick, or an interrupt of the guest's own. */
	for (unsigned i = 0; i < 200 && !atomic_load(&v->kicked); i++)
		sched_yield();
}

/* True if a kick, or immediate_exit, has ended it. */
static bool kvm_run(struct vcpu *v, bool immediate_exit)
{
	if (v->exit_root) {
		v->stale += v->exit_root != v->cr3;
		walk(v, v->exit_root);
	}
	v->exit_root = NULL;
	if (immediate_exit)
		return true;
	for (unsigned i = 0; i < INSTRUCTIONS; i++) {
		if (atomic_load(&v->kicked))
			return true;
		execute(v);
	}
	switch (choose(v, 4)) {
	case 0:
		v->exit_root = v->cr3;
		return false;
	case 1:
		halt(v);
		return true;
	default:
		return false;
	}
}

static bool is_asked_for(const struct detach_roots *r)
{
	for (unsigned i = 0; i < RUNNING; i++)
		if (address(atomic_load(&vcpus[i].ending)) == r->from)
			return true;
	return false;
}

static void move_root(struct vcpu *v)
{
	struct detach_roots r;

	if (!detach_take(&slots[v->index], &r))
		return;
	uint64_t expected = r.from | HF_LAZY;
	bool moved = atomic_compare_exchange_strong(&v->word, &expected, r.to | HF_MOVED);

	if (moved)
		v->cr3 = kernel;
	v->moves += moved;
	v->unasked += !is_asked_for(&r);
	detach_done(&slots[v->index], moved);
}

static bool run_once(struct vcpu *v)
{
	struct flush_target *t = &targets[v->index];
	bool immediate_exit = false;

	if (flush_enter(t) && detach_posted(&slots[v->index])) {
		immediate_exit = v->exit_root;
		if (immediate_exit)
			flush_defer(t);
		else
			move_root(v);
	}
	bool interrupted = kvm_run(v, immediate_exit);

	flush_leave(t);
	if (interrupted)
		atomic_store(&v->kicked, false);
	return !immediate_exit;
}

static void run_vcpu(struct vcpu *v)
{
	while (!run_once(v))
		;
}

static void end_space(struct vcpu *v, unsigned round)
{
	static const uint32_t deadlines[] = { 0, 100, 1000, 10000 };
	struct root *old = v->own;
	struct vcpu_set set = { 0 }, moved;

	v->own = make_root();
	pthread_mutex_lock(&spaces_lock);
	spaces[v->index] = v->own;
	pthread_mutex_unlock(&spaces_lock);
	for (unsigned i = 0; i < (round % 64 ? RUNNING : VCPUS); i++)
		if (i != v->index)
			vcpu_set_add(&set, i);
	atomic_store(&v->ending, old);
	detach_request(&service, slots, v->index, &set,
		       &(struct detach_roots){ address(old), address(kernel) },
		       deadlines[choose(v, COUNT_OF(deadlines))], &moved);
	atomic_store(&v->ending, NULL);
	unsigned count = 0;

	for (unsigned i = 0; i < VCPUS; i++) {
		count += vcpu_set_test(&moved, i);
		v->kept += vcpu_set_test(&set, i) && !vcpu_set_test(&moved, i);
	}
	v->handed += count;
	put_root(old, count + 1); /* theirs, and that of the address space */
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;

	for (unsigned round = 1; round <= ROUNDS; round++) {
		for (unsigned i = 0; i < RUNS; i++)
			run_vcpu(v);
		end_space(v, round);
	}
	/* Whoever still asks must find targets that run. */
	atomic_fetch_sub(&unfinished, 1);
	while (atomic_load(&unfinished))
		run_vcpu(v);
	return NULL;
}

static void *zeroed_lines(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

	assert_non_null(p);
	return memset(p, 0, bytes);
}

static int setup(void **state)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };

	(void)state;
	kernel = make_root();
	vcpus = zeroed_lines(VCPUS * sizeof(*vcpus));
	targets = zeroed_lines(VCPUS * sizeof(*targets));
	slots = zeroed_lines(VCPUS * sizeof(*slots));
	service = (struct flush_service){ targets, VCPUS, &ops, NULL };
	for (unsigned i = 0; i < VCPUS; i++) {
		vcpus[i].index = vcpus[i].random = i;
		vcpus[i].cr3 = kernel;
		atomic_store(&vcpus[i].word, address(kernel) | HF_ACTIVE);
		if (i < RUNNING)
			vcpus[i].own = spaces[i] = make_root();
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(kernel);
	free(vcpus);
	free(targets);
	free(slots);
	return 0;
}

/* Each leaves its root for good and ends its address space; then no root may be left. */
static void leave_everything(void)
{
	for (unsigned i = 0; i < RUNNING; i++) {
		if (atomic_load(&vcpus[i].word) & HF_LAZY)
			put_root(vcpus[i].cr3, 1);
		put_root(vcpus[i].own, 1);
	}
}

static void no_root_is_used_after_its_end(void **state)
{
	pthread_t threads[RUNNING];
	uint64_t moves = 0, handed = 0, kept = 0;

	(void)state;
	atomic_store(&unfinished, RUNNING);
	for (unsigned i = 0; i < RUNNING; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, vcpu_main, &vcpus[i]), 0);
	for (unsigned i = 0; i < RUNNING; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < RUNNING; i++) {
		assert_int_equal(vcpus[i].stale, 0);
		assert_int_equal(vcpus[i].unasked, 0);
		moves += vcpus[i].moves;
		handed += vcpus[i].handed;
		kept += vcpus[i].kept;
	}
	print_message("             %u requests, %llu moved, %llu not\n", RUNNING * ROUNDS,
		      (unsigned long long)handed, (unsigned long long)kept);
	assert_true(moves > 0);
	assert_true(kept > 0);
	assert_int_equal(moves, handed);
	leave_everything();
	assert_int_equal(atomic_load(&overdrawn), 0);
	assert_int_equal(atomic_load(&roots), 1); /* the kernel's */
	for (unsigned i = 0; i < VCPUS; i++)
		assert_int_equal(slots[i].state, DETACH_IDLE);
	assert_int_equal(atomic_load(&targets[VCPUS - 1].kicks), 0);
	assert_true(flush_enter(&targets[VCPUS - 1])); /* asked, and has not run */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_root_is_used_after_its_end, setup, teardown),
	};

	return cmocka_run_group_tests_name("detach: threads", tests, NULL, NULL);
}
