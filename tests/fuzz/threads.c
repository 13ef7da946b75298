/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "vmm/detach.h"

/* What the loop tells an initiator is noted on its way. */
static void note_answer(struct detach_slot *slot, bool moved);

#define detach_done note_answer
#include "vmm/vcpu.c" /* NOLINT(bugprone-suspicious-include): run_once() is taken apart here */
#undef detach_done

#include <linux/futex.h>
#include <stdarg.h>
#include <time.h>

#include "fuzz.h"
#include "threads.h"

#define CR4	  0x6a0u
#define ENTRIES	  2u /* until the vCPU is in the guest; the first may only finish an exit */
#define MAX_WAITS (4 * VCPUS)

struct call_record call_record;
struct kvm_side kvm_side[VCPUS];
struct thread_events thread_events;
static int64_t now;

int machine_ioctl_named(struct machine *m, int fd, unsigned long request, const char *name,
			void *arg)
{
	const struct kvm_sregs *sregs = arg;
	struct kvm_side *kvm = &kvm_side[fd];

	if (request == KVM_GET_MP_STATE) {
		((struct kvm_mp_state *)arg)->mp_state = KVM_MP_STATE_UNINITIALIZED;
		return 0;
	}
	MUST(request == KVM_SET_SREGS, "vCPU %d: ioctl %s", fd, name);
	MUST((sregs->cr4 ^ CR4) == CR4_PGE, "vCPU %d: a flush that flushes nothing", fd);
	MUST(gmem_ptr(&m->mem, sregs->cr3, 4096), "vCPU %d: its CR3 is not RAM", fd);
	kvm->flushes++;
	kvm->cr3 = sregs->cr3;
	if (thread_events.flushed)
		thread_events.flushed((unsigned)fd);
	return 0;
}

static void note_answer(struct detach_slot *slot, bool moved)
{
	if (moved) {
		MUST(call_record.moved_count < VCPUS, "a vCPU is moved twice");
		call_record.moved[call_record.moved_count++] =
			(unsigned)(slot - machine.detach_slots);
	}
	detach_done(slot, moved);
}

void threads_reset(void)
{
	memset(machine.flush.targets, 0, VCPUS * sizeof(machine.flush.targets[0]));
	memset(machine.detach_slots, 0, VCPUS * sizeof(machine.detach_slots[0]));
	memset(machine.rings.set.rings, 0, VCPUS * sizeof(machine.rings.set.rings[0]));
	memset(&machine.rings.set.counters, 0, sizeof(machine.rings.set.counters));
	memset(kvm_side, 0, sizeof(kvm_side));
	now = 0;
	for (unsigned i = 0; i < VCPUS; i++) {
		struct vcpu *v = &machine.vcpus[i];

		v->fd = (int)i;
		v->lazy_word = v->state_msr = v->ring_msr = v->flushes = 0;
		v->state = NULL;
		v->initialised = i != VCPUS - 1;
		v->exit_pending = false;
		v->run->immediate_exit = 0;
		v->run->s.regs.sregs = (struct kvm_sregs){ .cr4 = CR4, .efer = EFER_LMA };
	}
	threads_call(0, 0);
}

bool thread_inside(unsigned vcpu)
{
	return atomic_load(&machine.flush.targets[vcpu].run_seq) & 1;
}

static void in_run(struct vcpu *v, bool yes)
{
	say_in_run(v, yes);
	if (thread_events.in_run)
		thread_events.in_run(v->index, yes);
}

static void leave(struct vcpu *v, bool exits)
{
	in_run(v, false);
	flush_leave(v->flush);
	v->run->immediate_exit = 0;
	v->exit_pending = exits;
}

void thread_leave(unsigned vcpu)
{
	leave(&machine.vcpus[vcpu], false);
}

void thread_exit(unsigned vcpu)
{
	leave(&machine.vcpus[vcpu], true);
}

void thread_enter(unsigned vcpu)
{
	struct vcpu *v = &machine.vcpus[vcpu];

	for (unsigned i = 0; i < ENTRIES; i++) {
		int r = flush_enter(v->flush) ? carry_out(v) : 0;

		MUST(!r, "vCPU %u: its loop ends with %d", vcpu, r);
		in_run(v, true);
		if (!v->run->immediate_exit)
			return;
		thread_leave(vcpu);
	}
	MUST(false, "vCPU %u does not get into the guest", vcpu);
}

void thread_handle(unsigned vcpu)
{
	int r = exit_checked(&machine.vcpus[vcpu]);

	MUST(!r, "vCPU %u: its exit ends with %d", vcpu, r);
}

static void react(unsigned vcpu)
{
	thread_leave(vcpu);
	thread_enter(vcpu);
}

static void on_kick(unsigned vcpu)
{
	MUST(thread_inside(vcpu), "vCPU %u is kicked outside KVM_RUN", vcpu);
	vcpu_set_add(&call_record.kicked, vcpu);
	call_record.barriers_at_kick = service_calls.barriers;
	if (call_record.reactions & REACT_AT_ONCE)
		react(vcpu);
	else
		vcpu_set_add(&call_record.late, vcpu);
}

void threads_call(unsigned self_vcpu, unsigned reactions)
{
	call_record = (struct call_record){ .self = self_vcpu, .reactions = reactions };
	service_calls.kick = on_kick;
}

/* The initiator sleeps: the others get on. */
static void everybody_reacts(void)
{
	struct vcpu_set late = call_record.late;

	call_record.late = (struct vcpu_set){ 0 };
	for (unsigned i = 0; i < VCPUS; i++) {
		if (vcpu_set_test(&late, i))
			react(i);
		else if ((call_record.reactions & REACT_ENTER) && i != call_record.self &&
			 !thread_inside(i))
			thread_enter(i);
	}
}

/* What vmm/flush.c and vmm/detach.c call syscall(): a futex, private to the process. */
long fake_syscall(long number, ...);
long fake_syscall(long number, ...)
{
	va_list args;

	va_start(args, number);
	const _Atomic uint32_t *word = va_arg(args, _Atomic uint32_t *);
	int op = va_arg(args, int) & FUTEX_CMD_MASK;
	uint32_t expected = va_arg(args, uint32_t);
	const struct timespec *deadline = va_arg(args, struct timespec *);
	va_end(args);

	MUST(number == SYS_futex, "system call %ld", number);
	if (op == FUTEX_WAKE || atomic_load(word) != expected)
		return 0;
	MUST(++call_record.waits < MAX_WAITS, "vCPU %u waits again and again", call_record.self);
	if (!deadline || (call_record.reactions & REACT_WHEN_IDLE)) {
		everybody_reacts();
		if (atomic_load(word) != expected)
			return 0;
	}
	MUST(deadline, "vCPU %u waits for ever", call_record.self);
	MUST(deadline->tv_sec <= 1, "vCPU %u waits for %ld s", call_record.self, deadline->tv_sec);
	now = deadline->tv_sec * 1000000000ll + deadline->tv_nsec;
	return -1;
}

/* And clock_gettime(). */
int fake_clock_gettime(clockid_t clock, struct timespec *t);
int fake_clock_gettime(clockid_t clock, struct timespec *t)
{
	MUST(clock == CLOCK_MONOTONIC, "clock %d", clock);
	*t = (struct timespec){ now / 1000000000ll, now % 1000000000ll };
	return 0;
}

/* What vmm/service.c calls gmem_read(). */
int fake_gmem_read(const struct gmem *gm, uint64_t gpa, void *dst, size_t len);
int fake_gmem_read(const struct gmem *gm, uint64_t gpa, void *dst, size_t len)
{
	int r = gmem_read(gm, gpa, dst, len);

	MUST(!call_record.reads++, "vCPU %u: a request is read twice", call_record.self);
	if (!r && thread_events.request_read)
		thread_events.request_read(gpa, len);
	return r;
}
