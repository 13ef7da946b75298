/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run loop of vmm/vcpu.c, with a KVM_RUN that is a function of the test: how the loop
 * serves a `detach`. That KVM keeps the rules of the real one that matter here (kvm_run is
 * synced both ways, an exit is finished first, immediate_exit comes after that) and watches
 * what the loop does to CR3 and CR4. What vcpu.c calls ioctl() is
 * fake_ioctl() here. Each mutant of vcpu.c in
 * mutants/vcpu/ must fail here.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "shared/hyperflush_abi.h"
#include "vmm/detach.h"
#include "vmm/exit.h"
#include "vmm/machine.h"

#define RAM_BYTES (1u << 20)
#define WORD	  0x4008u
#define STATE	  0x5040u
#define FROM	  0x10000u
#define ON_FROM	  (FROM | 5u) /* as CR3: with a PCID, which TO has not */
#define TO	  0x20000u
#define CR4	  0x206a0u /* PGE and PCIDE set */
#define CR4_PGE	  0x80u
#define MAX_RUNS  100u

/* How a KVM_RUN that has entered the guest ends. */
enum run_end { EXITS, KICKED };

static struct machine machine;
static struct vcpu vcpu;
static struct flush_target *target;
static struct detach_slot *slot;

/* KVM's own side. */
static struct fake {
	struct kvm_sregs sregs;
	uint32_t mp_state;
	bool exit_pending;
	uint64_t exit_root;	    /* which it uses to finish the exit */
	unsigned fragments;	    /* further exits that finishing it leads to */
	int set_error;		    /* of KVM_SET_SREGS, or 0 */
	unsigned runs, entries;	    /* KVM_RUNs; those that have entered the guest */
	unsigned finished, flushes; /* exits; KVM_SET_SREGS */
	bool flipped;		    /* CR4 is not the guest's at the moment */
} fake;

/* The guest, and what others do meanwhile; `entry` counts up from 0. */
static enum run_end (*guest)(unsigned entry);
static void (*at_exit)(void), (*at_take)(void);
static const char *violation;

static void violated(const char *what)
{
	if (!violation)
		violation = what;
	atomic_store(&machine.stop, true);
}

#define EXPECT(condition)                                  \
	do {                                               \
		if (!(condition))                          \
			violated("expected: " #condition); \
	} while (0)

static _Atomic uint64_t *word(void)
{
	return gmem_ptr(&machine.mem, WORD, sizeof(uint64_t));
}

static void stop(void)
{
	atomic_store(&machine.stop, true);
}

static int interrupted(void)
{
	vcpu.run->s.regs.sregs = fake.sregs;
	errno = EINTR;
	return -1;
}

static int exits(void)
{
	vcpu.run->s.regs.sregs = fake.sregs;
	vcpu.run->exit_reason = KVM_EXIT_IO;
	fake.exit_pending = true;
	fake.exit_root = fake.sregs.cr3;
	return 0;
}

static void sync_regs(void)
{
	if (!(vcpu.run->kvm_dirty_regs & KVM_SYNC_X86_SREGS))
		return;
	fake.sregs = vcpu.run->s.regs.sregs;
	fake.flipped = false;
	vcpu.run->kvm_dirty_regs = 0;
}

static int kvm_run(void)
{
	if (++fake.runs > MAX_RUNS) {
		violated("the loop does not get on");
		return interrupted();
	}
	if (fake.mp_state == KVM_MP_STATE_UNINITIALIZED) {
		guest(fake.entries++);
		return interrupted();
	}
	sync_regs();
	if (fake.exit_pending) {
		fake.exit_pending = false;
		fake.finished++;
		if (fake.sregs.cr3 != fake.exit_root)
			violated("CR3 changes under a pending exit");
		if (fake.fragments) {
			fake.fragments--;
			return exits();
		}
	}
	if (vcpu.run->immediate_exit)
		return interrupted();
	if (fake.flipped || fake.sregs.cr4 != CR4)
		violated("the guest runs with a CR4 that is not its own");
	return guest(fake.entries++) == EXITS ? exits() : interrupted();
}

int fake_ioctl(int fd, unsigned long request, ...);
int fake_ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	if (request != KVM_RUN || !(atomic_load(&target->run_seq) & 1)) {
		violated("an ioctl that nobody expects");
		return interrupted();
	}
	return kvm_run();
}

static int set_sregs(const struct kvm_sregs *sregs)
{
	if (fake.set_error)
		return machine_failed(&machine, "KVM_SET_SREGS", fake.set_error);
	if ((sregs->cr4 ^ fake.sregs.cr4) != CR4_PGE)
		violated("a flush that flushes nothing");
	if (atomic_load(word()) == (TO | HF_MOVED) && sregs->cr3 != TO)
		violated("the lazy word says MOVED, but CR3 is the old one");
	fake.sregs = *sregs;
	fake.flipped = true;
	fake.flushes++;
	return 0;
}

int machine_ioctl_named(struct machine *m, int fd, unsigned long request, const char *name,
			void *arg)
{
	(void)m;
	(void)fd;
	(void)name;
	switch (request) {
	case KVM_SET_SREGS:
		return set_sregs(arg);
	case KVM_GET_SREGS:
		*(struct kvm_sregs *)arg = fake.sregs;
		return 0;
	case KVM_GET_MP_STATE:
		*(struct kvm_mp_state *)arg = (struct kvm_mp_state){ fake.mp_state };
		return 0;
	default:
		violated("an ioctl that nobody expects");
		return 0;
	}
}

void machine_stop(struct machine *m, int status, const char *format, ...)
{
	(void)format;
	m->status = status;
	stop();
}

int machine_failed(struct machine *m, const char *what, int err)
{
	machine_stop(m, RUN_HOST_ERROR, "%s", what);
	return err;
}

int exit_handle(struct vcpu *v)
{
	(void)v;
	if (at_exit)
		at_exit();
	return 0;
}

const char *exit_name(unsigned reason)
{
	(void)reason;
	return NULL;
}

/* As in vmm/detach.c, for an initiator that does not sleep. */
bool detach_take(struct detach_slot *s, struct detach_roots *roots)
{
	uint32_t expected = DETACH_POSTED;

	if (at_take)
		at_take();
	*roots = (struct detach_roots){ s->from, s->to };
	return atomic_compare_exchange_strong(&s->state, &expected, DETACH_TAKEN);
}

void detach_done(struct detach_slot *s, bool moved)
{
	EXPECT(atomic_load(&s->state) == DETACH_TAKEN);
	if (moved && fake.sregs.cr3 != TO)
		violated("answered before KVM has the new CR3");
	if (!fake.flushes && vcpu.initialised && !fake.set_error)
		violated("answered before the flush");
	atomic_store(&s->state, moved ? DETACH_MOVED : DETACH_KEPT);
}

static void kick(void *ctx, unsigned index)
{
	(void)ctx;
	(void)index;
}

/* What an initiator does; there is none that waits. */
static void post(void)
{
	slot->from = FROM;
	slot->to = TO;
	atomic_store(&slot->state, DETACH_POSTED);
	flush_post(&machine.flush, 0);
}

static void *zeroed_lines(size_t bytes)
{
	void *p = aligned_alloc(64, bytes);

	assert_non_null(p);
	return memset(p, 0, bytes);
}

/* A vCPU in long mode, lazily on FROM. */
static int setup(void **state)
{
	static const struct flush_ops ops = { .kick = kick };
	static const struct machine_options options;

	(void)state;
	memset(&machine, 0, sizeof(machine));
	memset(&fake, 0, sizeof(fake));
	guest = NULL;
	at_exit = at_take = NULL;
	violation = NULL;
	machine.options = &options;
	machine.vcpu_count = 1;
	machine.vcpus = &vcpu;
	target = zeroed_lines(sizeof(*target));
	slot = zeroed_lines(sizeof(*slot));
	machine.flush = (struct flush_service){ target, 1, &ops, &machine };
	machine.detach_slots = slot;
	vcpu = (struct vcpu){ .machine = &machine,
			      .fd = -1,
			      .stats_fd = -1,
			      .run = test_calloc(1, sizeof(struct kvm_run)),
			      .flush = target,
			      .detach = slot,
			      .lazy_word = WORD | 1,
			      .initialised = true };
	fake.sregs = (struct kvm_sregs){ .cr3 = ON_FROM, .cr4 = CR4, .efer = 0x500 };
	fake.mp_state = KVM_MP_STATE_RUNNABLE;
	if (gmem_create(&machine.mem, RAM_BYTES) || sem_init(&machine.thread_ready, 0, 0))
		return -1;
	atomic_store(word(), FROM | HF_LAZY);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sem_destroy(&machine.thread_ready);
	gmem_destroy(&machine.mem);
	test_free(vcpu.run);
	free(target);
	free(slot);
	return 0;
}

/* Runs the vCPU's thread until the guest, or a violation, stops the machine. */
static void run(enum run_end (*what)(unsigned entry))
{
	guest = what;
	assert_int_equal(vcpu_start(&vcpu), 0);
	pthread_join(vcpu.thread, NULL);
	if (violation)
		fail_msg("%s", violation);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(moved_out_of_the_guest),
		TEST(exit_is_finished_first),
		TEST(exits_that_lead_to_exits),
		TEST(cancelled_before_it_was_seen),
		TEST(cancelled_while_the_exit_is_finished),
		TEST(cancelled_before_it_was_taken),
		TEST(plain_flush),
		TEST(active_root_stays),
		TEST(root_claimed_in_time_stays),
		TEST(other_root_stays),
		TEST(no_lazy_word),
		TEST(not_initialised),
		TEST(state_is_written),
		TEST(failing_host),
	};

	return cmocka_run_group_tests_name("vcpu: detach", tests, NULL, NULL);
}
