/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "vcpu_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/exit.h"

#define RAM_BYTES (1u << 20)
#define CR4	  0x206a0u /* PGE and PCIDE set */
#define CR4_PGE	  0x80u
#define EFER_LMA  0x400u
#define MAX_RUNS  100u

struct machine machine;
struct vcpu vcpu;
struct flush_target *target;
struct detach_slot *slot;
struct fake fake;
void (*at_exit)(void), (*at_take)(void);

static enum run_end (*guest)(unsigned entry);
static const char *violation;

void violated(const char *what)
{
	if (!violation)
		violation = what;
	atomic_store(&machine.stop, true);
}

_Atomic uint64_t *word(void)
{
	return gmem_ptr(&machine.mem, WORD, sizeof(uint64_t));
}

void stop(void)
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

/* Linux's kvm_is_valid_sregs(), and what __set_sregs() makes of interrupt_bitmap. */
static bool takes(const struct kvm_sregs *sregs)
{
	static const uint64_t none[sizeof(sregs->interrupt_bitmap) / sizeof(uint64_t)];

	if (memcmp(sregs->interrupt_bitmap, none, sizeof(none)))
		violated("an interrupt is injected once more");
	if (!(sregs->efer & EFER_LMA) && sregs->cs.l)
		violated("CS.L outside long mode: KVM refuses it");
	return !violation;
}

static void sync_regs(void)
{
	if (!(vcpu.run->kvm_dirty_regs & KVM_SYNC_X86_SREGS) || !takes(&vcpu.run->s.regs.sregs))
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
	takes(sregs);
	if ((sregs->cr4 ^ fake.sregs.cr4) != CR4_PGE)
		violated("a flush that flushes nothing");
	if (atomic_load(word()) == (TO | HF_MOVED) && sregs->cr3 != TO)
		violated("the lazy word says MOVED, but CR3 is the old one");
	fake.sregs = *sregs;
	fake.flipped = true;
	fake.flushes++;
	return 0;
}

static void accept_init(void)
{
	if (!fake.init_comes)
		return;
	fake.init_comes = false;
	fake.mp_state = KVM_MP_STATE_RUNNABLE;
	fake.sregs.cr3 = 0;
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
		accept_init();
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

void post(void)
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

int vcpu_setup(void **state)
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

int vcpu_teardown(void **state)
{
	(void)state;
	sem_destroy(&machine.thread_ready);
	gmem_destroy(&machine.mem);
	test_free(vcpu.run);
	free(target);
	free(slot);
	return 0;
}

void run(enum run_end (*what)(unsigned entry))
{
	guest = what;
	assert_int_equal(vcpu_start(&vcpu), 0);
	pthread_join(vcpu.thread, NULL);
	if (violation)
		fail_msg("%s", violation);
}
