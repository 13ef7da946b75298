/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "vcpu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "detach.h"
#include "exit.h"
#include "machine.h"
#include "shared/hyperflush_abi.h"
#include "watch.h"

#define STACK_BYTES \
	(256u << 10) /* holds a request, a page and the kernel's signal frame with AVX-512 */
#define CR4_PGE	 (1ull << 7)
#define EFER_LMA (1ull << 10)

/*
 * The kick: blocked in vCPU threads but for the time in KVM_RUN
 * (KVM_SET_SIGNAL_MASK), so it is never delivered. KVM_RUN returns EINTR for
 * it, at once if it came before; then it is taken off the queue. Not a
 * real-time signal: however many are sent, one is pending.
 */
#define KICK_SIGNAL SIGUSR1

static void take_kick(void)
{
	static const struct timespec now = { 0 };
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, KICK_SIGNAL);
	sigtimedwait(&kick, NULL,
		     &now); /* EAGAIN: some other signal's EINTR, or it is yet to come */
}

/* The kernel's own sigset_t: 64 bits on x86. */
static int unblock_kick_in_run(struct vcpu *v)
{
	const uint64_t set = ~(1ull << (KICK_SIGNAL - 1));
	_Alignas(struct kvm_signal_mask) uint8_t mask[sizeof(struct kvm_signal_mask) + sizeof(set)];

	*(struct kvm_signal_mask *)(void *)mask = (struct kvm_signal_mask){ .len = sizeof(set) };
	memcpy(mask + sizeof(struct kvm_signal_mask), &set, sizeof(set));
	return machine_ioctl(v->machine, v->fd, KVM_SET_SIGNAL_MASK, mask);
}

static void block_kick(void)
{
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, KICK_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &kick, NULL);
}

void vcpu_kick(struct vcpu *v)
{
	pid_t tid = atomic_load(&v->tid);

	/* ESRCH: the thread has left its loop, and will not enter again. */
	if (tid)
		syscall(SYS_tgkill, v->machine->pid, tid, KICK_SIGNAL);
}

static int set_cpuid(struct vcpu *v)
{
	struct machine *m = v->machine;
	int khz = kvm_ioctl(v->fd, KVM_GET_TSC_KHZ, NULL); /* EIO: the host's TSC is not stable */
	struct cpuid_shape shape = {
		.vcpus = m->vcpu_count,
		.index = v->index,
		.advertised = m->advertised,
		.tsc_deadline = kvm_cap(&m->kvm, KVM_CAP_TSC_DEADLINE_TIMER),
		.tsc_khz = khz > 0 ? (uint32_t)khz : 0,
	};
	struct kvm_cpuid2 *c =
		calloc(1, sizeof(*c) + CPUID_MAX_ENTRIES * sizeof(struct kvm_cpuid_entry2));
	if (!c)
		return machine_failed(m, "CPUID", -ENOMEM);
	struct cpuid_table out = { .entries = c->entries };
	int r;

	if (cpuid_build(&m->kvm.host, &m->kvm.hv, &shape, &out)) {
		c->nent = out.count;
		r = machine_ioctl(m, v->fd, KVM_SET_CPUID2, c);
	} else {
		r = machine_failed(m, "CPUID", -E2BIG);
	}
	free(c);
	return r;
}

/* Only what CPUID advertises may work. */
static int enforce_cpuid(struct vcpu *v)
{
	struct machine *m = v->machine;
	struct kvm_enable_cap pv = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };
	struct kvm_enable_cap hv = { .cap = KVM_CAP_HYPERV_ENFORCE_CPUID, .args = { 1 } };
	int r = machine_ioctl(m, v->fd, KVM_ENABLE_CAP, &pv);

	if (r < 0 || !machine_offers(m, HF_BACKEND_HYPERV))
		return r;
	return machine_ioctl(m, v->fd, KVM_ENABLE_CAP, &hv);
}

/* Guest TSC = host TSC, so that both sides' time stamps compare. */
static int set_tsc_offset(struct vcpu *v)
{
	uint64_t offset = 0;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL,
					.attr = KVM_VCPU_TSC_OFFSET,
					.addr = (uintptr_t)&offset };

	/* Before Linux 5.16 there is no such attribute; nothing but time stamps depends on it. */
	if (kvm_ioctl(v->fd, KVM_HAS_DEVICE_ATTR, &attr))
		return 0;
	return machine_ioctl(v->machine, v->fd, KVM_SET_DEVICE_ATTR, &attr);
}

int vcpu_create(struct vcpu *v)
{
	struct machine *m = v->machine;
	int r = machine_ioctl(m, m->vm_fd, KVM_CREATE_VCPU, (void *)(uintptr_t)v->index);

	if (r < 0)
		return r;
	v->fd = r;
	void *run = mmap(NULL, m->kvm.run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (run == MAP_FAILED)
		return machine_failed(m, "mmap of a vCPU", -errno);
	v->run = run;
	v->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	v->initialised = v->index == 0;

	r = set_cpuid(v);
	if (!r)
		r = enforce_cpuid(v);
	if (!r)
		r = set_tsc_offset(v);
	if (!r)
		r = unblock_kick_in_run(v);
	return r;
}

void vcpu_destroy(struct vcpu *v)
{
	if (v->run)
		munmap(v->run, v->machine->kvm.run_bytes);
	if (v->stats_fd >= 0)
		close(v->stats_fd);
	if (v->fd >= 0)
		close(v->fd);
	v->run = NULL;
	v->fd = v->stats_fd = -1;
}

/*
 * 1 if the vCPU still waits for its INIT and has thus never executed an
 * instruction: there is nothing to flush, and KVM_RUN would ignore
 * kvm_dirty_regs. 0 if not, or -errno after machine_stop(). The question
 * itself may let KVM accept an INIT, so the registers are read anew.
 */
static int waits_for_init(struct vcpu *v)
{
	struct kvm_mp_state mp;
	int r = machine_ioctl(v->machine, v->fd, KVM_GET_MP_STATE, &mp);

	if (r || mp.mp_state == KVM_MP_STATE_UNINITIALIZED)
		return r ? r : 1;
	v->initialised = true;
	return machine_ioctl(v->machine, v->fd, KVM_GET_SREGS, &v->run->s.regs.sregs);
}

/* Before the next guest instruction: whoever sees the count knows what they all are after. */
static void say_flushed(struct vcpu *v)
{
	v->flushes++;
	if (v->state)
		__atomic_store_n(&v->state->flushes, v->flushes, __ATOMIC_RELEASE);
	watch_flushed(v->watch);
}

static void say_in_run(struct vcpu *v, uint32_t in_run)
{
	if (v->state)
		__atomic_store_n(&v->state->in_run, in_run, __ATOMIC_RELEASE);
}

/*
 * Makes KVM flush this vCPU's TLB before its next guest instruction: a change
 * of CR4.PGE flushes everything, globals and all PCIDs (SDM vol 3A 4.10.4.1).
 * KVM takes the change by ioctl, and the old value back at the next KVM_RUN.
 *
 * The rest of SREGS is that of the last exit, but for CR3 if move_root() has
 * written it, and only this thread runs the vCPU: writing it back changes nothing
 * else. The exception is interrupt_bitmap: an empty one leaves KVM's injected
 * interrupt alone, and KVM only ever adds bits to the synced one, so an old bit
 * would be injected again.
 */
static int vcpu_flush_tlb(struct vcpu *v)
{
	int r = v->initialised ? 0 : waits_for_init(v);

	if (__builtin_expect(r, 0))
		return r < 0 ? r : 0;
	struct kvm_sregs *synced = &v->run->s.regs.sregs;
	memset(synced->interrupt_bitmap, 0, sizeof(synced->interrupt_bitmap));
	struct kvm_sregs flipped = *synced;
	flipped.cr4 ^= CR4_PGE;
	/* Outside long mode CS.L means nothing, yet KVM refuses it: a guest must not make this
	 * fail. */
	if (!(synced->efer & EFER_LMA))
		synced->cs.l = flipped.cs.l = 0;
	r = machine_ioctl(v->machine, v->fd, KVM_SET_SREGS, &flipped);
	if (r)
		return r;
	v->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	say_flushed(v);
	return 0;
}

static int exit_checked(struct vcpu *v)
{
	int r = exit_handle(v);

	if (r)
		machine_stop(v->machine, RUN_HOST_ERROR, "vCPU %u: exit %s: %s", v->index,
			     exit_name(v->run->exit_reason), strerror(-r));
	return r;
}

/* Swaps the guest's lazy word, if there is one and it is still LAZY on that root. */
static bool swap_lazy_word(struct vcpu *v, const struct detach_roots *roots)
{
	uint64_t gpa = v->lazy_word & ~(uint64_t)1, expected = roots->from | HF_LAZY;
	_Atomic uint64_t *word =
		v->lazy_word ? gmem_ptr(&v->machine->mem, gpa, sizeof(*word)) : NULL;

	return word && atomic_compare_exchange_strong(word, &expected, roots->to | HF_MOVED);
}

/*
 * Serves a `detach`: this vCPU goes on with another root, if it is lazily on the one
 * asked about. CR3 is written with the flush, before the answer: upon that the
 * initiator frees the old root.
 */
static int move_root(struct vcpu *v)
{
	struct detach_roots roots;

	if (!detach_take(v->detach, &roots))
		return vcpu_flush_tlb(v);
	bool moved = v->initialised && swap_lazy_word(v, &roots);

	if (moved)
		v->run->s.regs.sregs.cr3 = roots.to;
	int r = vcpu_flush_tlb(v);

	detach_done(v->detach, moved && !r);
	return r;
}

/*
 * What flush_enter() has asked for. A root is only changed when KVM has nothing
 * left to do for the last exit, for that may use the old one. Otherwise KVM_RUN
 * does that and returns before it enters the guest (immediate_exit: api.rst 5, "The
 * kvm_run structure"), and the request, if it is still there, is looked at again.
 */
static int carry_out(struct vcpu *v)
{
	if (__builtin_expect(!detach_posted(v->detach), 1))
		return vcpu_flush_tlb(v);
	if (!v->exit_pending)
		return move_root(v);
	v->run->immediate_exit = 1;
	flush_defer(v->flush);
	return 0;
}

/* KVM_RUN has failed with `err`. 0 if the loop goes on. */
static int after_failed_run(struct vcpu *v, int err)
{
	if (err == EINTR) {
		take_kick();
		return 0;
	}
	if (err == EAGAIN) {
		v->initialised = true; /* an INIT or SIPI has arrived */
		return 0;
	}
	return machine_failed(v->machine, "KVM_RUN", -err);
}

static int run_once(struct vcpu *v)
{
	watch_enter(v->watch);
	int r = flush_enter(v->flush) ? carry_out(v) : 0;

	if (__builtin_expect(r, 0)) {
		flush_leave(v->flush);
		return r;
	}
	say_in_run(v, 1);
	r = ioctl(v->fd, KVM_RUN, NULL);
	int err = errno;
	say_in_run(v, 0);
	flush_leave(v->flush);
	v->run->immediate_exit = 0;
	v->exit_pending = !r;
	watch_left(v->watch, r ? err : 0, v->run->exit_reason);
	if (__builtin_expect(r, 0))
		return after_failed_run(v, err);
	v->initialised = true;
	return exit_checked(v);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	int r = 0;

	block_kick(); /* before tid tells others whom to kick */
	atomic_store(&v->tid, (pid_t)syscall(SYS_gettid));
	sem_post(&v->machine->thread_ready);
	/* tid before the first look at `stop`: machine_stop() sets that first and then kicks by
	 * tid. */
	while (!r && !atomic_load(&v->machine->stop))
		r = run_once(v);
	return NULL;
}

/* The host CPU of a pinned vCPU. */
static unsigned pinned_to(const struct vcpu *v)
{
	const struct machine_options *o = v->machine->options;

	return o->pin[v->index % o->pin_count];
}

/* Before its first instruction, so that memory it touches comes from the right node. */
static int set_affinity(const struct vcpu *v, pthread_attr_t *attr)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(pinned_to(v), &set);
	return pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

static int create_thread(struct vcpu *v)
{
	pthread_attr_t attr;
	bool pinned = v->machine->options->pin_count;

	pthread_attr_init(&attr);
	int err = pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (!err && pinned)
		err = set_affinity(v, &attr);
	if (!err)
		err = pthread_create(&v->thread, &attr, vcpu_thread, v);
	pthread_attr_destroy(&attr);
	if (err && pinned)
		machine_stop(v->machine, RUN_HOST_ERROR, "vCPU %u: no thread on host CPU %u: %s",
			     v->index, pinned_to(v), strerror(err));
	else if (err)
		machine_failed(v->machine, "pthread_create", -err);
	return -err;
}

int vcpu_start(struct vcpu *v)
{
	char name[16];
	int r = create_thread(v);

	if (r)
		return r;
	v->has_thread = true;
	snprintf(name, sizeof(name), "vcpu%u", v->index);
	pthread_setname_np(v->thread, name);
	while (sem_wait(&v->machine->thread_ready))
		;
	return 0;
}
