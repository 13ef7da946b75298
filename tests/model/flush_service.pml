/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMM's flush service (vmm/flush.c), with what it relies on: KVM_RUN, the
 * kick's signal, membarrier(2), the futex. x86-TSO store buffers; the
 * service's atomics are sequentially consistent, that is, each waits for its
 * thread's buffer, and "without a barrier" is a plain store.
 *
 * Page p belongs to thread p, which unmaps it, then requests a flush. After the
 * request has returned, no guest instruction of a target may use a translation
 * of p; after a strong one not even KVM's instruction emulator may. A strong
 * initiator that sleeps for ever is a deadlock. Each request is strong or not.
 *
 * Settings: two initiators and one target, or
 *   TWO_TARGETS        one initiator and two targets
 *   FLUSH_EACH_OTHER   two vCPUs; each flushes both
 *   PLAIN_ONLY         no request is strong
 *
 * KVM carries out its own requests, turns interrupts off, looks for signals,
 * enters the guest. A vCPU that is descheduled has left the guest and takes no
 * step. Between two steps the emulator holds a translation.
 *
 * Mutants of the initiator:
 *   POST_AFTER_LOOK, POST_WITHOUT_BARRIER, POST_TO_RUNNING_ONLY
 *   NO_KICK, KICK_OUTSIDE_ONLY
 *   KICK_ON_FIRST_POST     no kick if `pending` was set already
 *   NO_MEMBARRIER, MEMBARRIER_FIRST (before the kicks)
 *   LAST_DECIDES           membarrier only if the last target was kicked (TWO_TARGETS)
 *   STRONG_NOT_WAITING, STRONG_WAITS_FOR_ONE (TWO_TARGETS)
 *   WAITER_UNANNOUNCED     strong_waiters is raised after the first sleep
 *   WAIT_ONCE              an interrupted sleep counts as the target having left
 * of the target:
 *   ENTER_LOOKS_FIRST      `pending` is read before run_seq becomes odd
 *   ENTER_TAKES_FIRST      `pending` is taken before run_seq becomes odd
 *   ENTER_WITHOUT_BARRIER, ENTER_NEVER_RUNNING
 *   CLEAR_AFTER_FLUSH, CLEAR_AT_LEAVE, CLEAR_WHEN_NOT_DUE, NEVER_CLEARED
 *   LEAVE_LOOKS_FIRST, LEAVE_WAKES_FIRST, LEAVE_WITHOUT_BARRIER, LEAVE_NO_WAKE
 *   DEFER_FORGETS          a flush put off to the next KVM_RUN is not posted again
 *   DEFER_ENTERS           it is, but this KVM_RUN enters the guest
 *   KICK_TAKEN_LATE        the signal is taken off the queue after flush_enter()
 *   KICK_NOT_BLOCKED       the signal can be delivered outside KVM_RUN
 * of KVM, that is, what the service needs of it:
 *   SIGNALS_ONCE           looked for at the start of KVM_RUN only
 *   SIGNALS_INTERRUPTIBLE  looked for with interrupts on
 */
#if defined(FLUSH_EACH_OTHER)
#define THREADS 2
#define PAGES	2
#define EVERY_THREAD(step) step(0); step(1)
#define EVERY_TARGET(step) step(0); step(1)
#elif defined(TWO_TARGETS)
#define THREADS 3
#define PAGES	1
#define EVERY_THREAD(step) step(0); step(1); step(2)
#define EVERY_TARGET(step) step(1); step(2)
#else
#define THREADS 3
#define PAGES	2
#define EVERY_THREAD(step) step(0); step(1); step(2)
#define EVERY_TARGET(step) step(2)
#endif
#ifndef RUNS
#define RUNS 2			/* KVM_RUNs of a vCPU */
#endif

#define RUN_SEQ(t) (t)
#define PENDING(t) (THREADS + (t))
#define WAITERS(t) (2 * THREADS + (t))
#define MAPPED(p)  (3 * THREADS + (p))
#define CELLS	   (3 * THREADS + PAGES)
#define BUFFERS	   THREADS
#define DEPTH	   2
#include "store_buffer.pml"

/* Where a thread is. */
#define OUTSIDE	 0		/* of KVM_RUN */
#define HOST	 1		/* in KVM_RUN, interrupts on */
#define ENTERING 2		/* interrupts off, no signal seen */
#define GUEST	 3

byte place[THREADS] = OUTSIDE;
bit  signal[THREADS];		/* the kick is pending */
bit  flush_due[THREADS];	/* KVM_SET_SREGS has made KVM's own request */
byte asleep[THREADS];		/* 1 + the thread on whose run_seq it sleeps */
bit  tlb[THREADS * PAGES];	/* holds a translation of the page */
bit  flushed[PAGES];		/* the request has returned */
bit  flushed_strongly[PAGES];
byte posts[THREADS], flushes[THREADS];

#define TLB(t, p)	    tlb[(t) * PAGES + (p)]
#define ATOMIC_STORE(a, v)  atomic { DRAINED(me) -> cell[a] = v }
#define ATOMIC_ADD(a, n)    atomic { DRAINED(me) -> cell[a] = cell[a] + (n) }
#define LOCALS \
	byte seen[THREADS]; \
	bit due, kicked, strong, first_post

/*
 * flush_enter()
 */
inline start_running()
{
#if defined(ENTER_NEVER_RUNNING)
	skip
#elif defined(ENTER_WITHOUT_BARRIER)
	STORE(me, RUN_SEQ(me), cell[RUN_SEQ(me)] + 1)
#else
	ATOMIC_ADD(RUN_SEQ(me), 1)
#endif
}

inline start_and_look()
{
#if defined(ENTER_TAKES_FIRST)
	atomic { DRAINED(me) -> due = cell[PENDING(me)]; cell[PENDING(me)] = 0 };
	start_running()
#elif defined(ENTER_LOOKS_FIRST)
	due = cell[PENDING(me)];
	start_running()
#else
	start_running();
	due = cell[PENDING(me)]
#endif
}

inline empty_tlb()
{
	TLB(me, 0) = 0;
	TLB(me, PAGES - 1) = 0
}

/* KVM flushes at once or before the next guest instruction. Never more flushes than requests. */
inline set_sregs()
{
	atomic {
		flushes[me]++;
		assert(flushes[me] <= posts[me]);
		if
		:: flush_due[me] = 1
		:: empty_tlb()
		fi
	}
}

/* flush_defer(): for a KVM_RUN that only completes the last exit (immediate_exit). */
inline defer()
{
#ifndef DEFER_FORGETS
	ATOMIC_STORE(PENDING(me), 1);
#endif
#ifndef DEFER_ENTERS
	stay_out = 1
#endif
}

inline take_and_flush()
{
#if defined(CLEAR_AFTER_FLUSH)
	set_sregs();
	ATOMIC_STORE(PENDING(me), 0)
#elif defined(CLEAR_AT_LEAVE) || defined(NEVER_CLEARED) || defined(ENTER_TAKES_FIRST)
	set_sregs()
#else
	ATOMIC_STORE(PENDING(me), 0);
	if
	:: set_sregs()
	:: defer()
	fi
#endif
}

inline flush_enter()
{
	start_and_look();
	if
	:: due -> take_and_flush()
#ifdef CLEAR_WHEN_NOT_DUE
	:: else -> ATOMIC_STORE(PENDING(me), 0)
#else
	:: else
#endif
	fi
}

/*
 * flush_leave()
 */
inline stop_running()
{
#if defined(ENTER_NEVER_RUNNING)
	skip
#elif defined(LEAVE_WITHOUT_BARRIER)
	STORE(me, RUN_SEQ(me), cell[RUN_SEQ(me)] + 1)
#else
	ATOMIC_ADD(RUN_SEQ(me), 1)
#endif
}

inline look_for_waiters()
{
	due = cell[WAITERS(me)] != 0
}

inline wake(thread)
{
	if
	:: asleep[thread] == me + 1 -> asleep[thread] = 0
	:: else
	fi
}

inline wake_all()
{
	if
#ifndef LEAVE_NO_WAKE
	:: due -> atomic { EVERY_THREAD(wake) }
#endif
	:: else
	fi
}

inline flush_leave()
{
#ifdef CLEAR_AT_LEAVE
	ATOMIC_STORE(PENDING(me), 0);
#endif
#if defined(LEAVE_WAKES_FIRST)
	look_for_waiters();
	wake_all();
	stop_running()
#elif defined(LEAVE_LOOKS_FIRST)
	look_for_waiters();
	stop_running();
	wake_all()
#else
	stop_running();
	look_for_waiters();
	wake_all()
#endif
}

/*
 * flush_request()
 */
#define IN_RUN(t) (seen[t] % 2 == 1)

inline set_pending(t)
{
#ifdef POST_WITHOUT_BARRIER
	atomic { held[me] < DEPTH -> append(me, PENDING(t), 1); posts[t]++ }
#else
	atomic { DRAINED(me) -> first_post = !cell[PENDING(t)]; cell[PENDING(t)] = 1; posts[t]++ }
#endif
}

inline look(t)
{
	seen[t] = cell[RUN_SEQ(t)]
}

#if defined(NO_KICK)
#define MUST_KICK(t) false
#elif defined(KICK_OUTSIDE_ONLY)
#define MUST_KICK(t) !IN_RUN(t)
#elif defined(KICK_ON_FIRST_POST)
#define MUST_KICK(t) (IN_RUN(t) && first_post)
#else
#define MUST_KICK(t) IN_RUN(t)
#endif

/* The kick is a system call that takes locks: it drains the buffer. */
inline post(t)
{
#if defined(POST_AFTER_LOOK)
	look(t);
	set_pending(t);
#elif defined(POST_TO_RUNNING_ONLY)
	look(t);
	if
	:: IN_RUN(t) -> set_pending(t)
	:: else
	fi;
#else
	set_pending(t);
	look(t);
#endif
	if
	:: MUST_KICK(t) -> atomic { DRAINED(me) -> signal[t] = 1 }
	:: else
	fi;
#ifdef LAST_DECIDES
	kicked = IN_RUN(t)
#else
	kicked = kicked || IN_RUN(t)
#endif
}

/* An IPI; the sender waits until it has been taken. */
inline interrupt(t)
{
	atomic {
		place[t] != ENTERING ->
		drain(t);
		if
		:: place[t] == GUEST -> place[t] = HOST
		:: else
		fi
	}
}

inline membarrier()
{
	DRAINED(me);
	EVERY_THREAD(interrupt)
}

/* Its word is compared under the kernel's lock. It may also return by a signal, at any time. */
inline futex_wait(t)
{
	if
	:: atomic { cell[RUN_SEQ(t)] == seen[t] -> asleep[me] = t + 1 }; asleep[me] == 0
	:: true
	fi
}

inline sleep_while_running(t)
{
#if defined(WAIT_ONCE)
	if
	:: cell[RUN_SEQ(t)] == seen[t] -> futex_wait(t)
	:: else
	fi
#else
	do
#ifdef WAITER_UNANNOUNCED
	:: cell[RUN_SEQ(t)] == seen[t] -> futex_wait(t); ATOMIC_ADD(WAITERS(t), 1)
#else
	:: cell[RUN_SEQ(t)] == seen[t] -> futex_wait(t)
#endif
	:: else -> break
	od
#endif
}

inline wait_left(t)
{
	if
	:: IN_RUN(t) ->
#ifndef WAITER_UNANNOUNCED
		ATOMIC_ADD(WAITERS(t), 1);
#endif
		sleep_while_running(t);
		ATOMIC_ADD(WAITERS(t), -1)
	:: else
	fi
}

inline await_targets()
{
	if
	:: strong ->
#if defined(STRONG_NOT_WAITING)
		membarrier()
#elif defined(STRONG_WAITS_FOR_ONE)
		wait_left(1)
#else
		EVERY_TARGET(wait_left)
#endif
	:: !strong ->
#if defined(NO_MEMBARRIER) || defined(MEMBARRIER_FIRST)
		skip
#else
		membarrier()
#endif
	fi
}

/* The guest unmaps its page; the exit of its hypercall drains the buffer. */
inline unmap_and_flush()
{
	STORE(me, MAPPED(me), 0);
	DRAINED(me);
	if
	:: strong = 0
#ifndef PLAIN_ONLY
	:: strong = 1
#endif
	fi;
#ifdef MEMBARRIER_FIRST
	membarrier();
#endif
	EVERY_TARGET(post);
	if
	:: kicked -> await_targets()
	:: else
	fi;
	atomic { flushed[me] = 1; flushed_strongly[me] = strong }
}

/*
 * KVM_RUN
 */
#ifdef SIGNALS_ONCE
#define SIGNALLED (first_look && signal[me])
#else
#define SIGNALLED signal[me]
#endif

inline enter_guest()
{
	atomic {
		place[me] == HOST && !SIGNALLED && !stay_out ->
		if
		:: flush_due[me] -> flush_due[me] = 0; empty_tlb()
		:: else
		fi;
#ifndef SIGNALS_INTERRUPTIBLE
		place[me] = ENTERING;
#endif
		first_look = 0
	};
	place[me] = GUEST
}

#define INSTRUCTION(p) \
	:: atomic { place[me] == GUEST && TLB(me, p) -> assert(!flushed[p]) }

#define EMULATED_INSTRUCTION(p) \
	:: place[me] == HOST && cell[MAPPED(p)] -> assert(!flushed_strongly[p])

inline kvm_run()
{
	place[me] = HOST;
	first_look = 1;
	do
	:: enter_guest()
	INSTRUCTION(0)
	EMULATED_INSTRUCTION(0)
#if PAGES > 1
	INSTRUCTION(1)
	EMULATED_INSTRUCTION(1)
#endif
	/* The kick's own interrupt, the host's, an exit that KVM handles. */
	:: atomic { place[me] == GUEST -> place[me] = HOST }
	/* An exit to user space. */
	:: atomic { place[me] == GUEST || (place[me] == HOST && !stay_out) -> place[me] = OUTSIDE; break }
	/* HLT: nothing but a signal wakes it. */
	:: atomic { place[me] == GUEST -> place[me] = HOST };
end_halted:
	   atomic { signal[me] -> interrupted = 1; place[me] = OUTSIDE; break }
	/* EINTR. */
	:: atomic {
		place[me] == HOST && (SIGNALLED || stay_out) ->
		stay_out = 0; interrupted = 1; place[me] = OUTSIDE; break
	   }
	od
}

/* After EINTR. */
inline take_kick()
{
	atomic {
		if
		:: interrupted -> signal[me] = 0; interrupted = 0
		:: else
		fi
	}
}

/* At any time: speculatively, or by another vCPU in shadow tables that both use. */
proctype fill(byte t)
{
end:	do
	:: atomic { cell[MAPPED(0)] && !TLB(t, 0) -> TLB(t, 0) = 1 }
#if PAGES > 1
	:: atomic { cell[MAPPED(1)] && !TLB(t, 1) -> TLB(t, 1) = 1 }
#endif
	od
}

proctype vcpu(byte me)
{
	LOCALS;
	byte runs = 0;
	bit first_look, stay_out, interrupted;

	do
	:: runs < RUNS ->
		runs++;
		flush_enter();
#ifdef KICK_TAKEN_LATE
		take_kick();
#endif
		kvm_run();
		flush_leave();
#ifndef KICK_TAKEN_LATE
		take_kick();
#endif
#ifdef FLUSH_EACH_OTHER
		if
		:: runs == 1 -> unmap_and_flush()
		:: else
		fi
#endif
	:: else -> break
	od
}

#ifndef FLUSH_EACH_OTHER
proctype initiator(byte me)
{
	LOCALS;

	unmap_and_flush()
}
#endif

#ifdef KICK_NOT_BLOCKED
proctype delivery(byte t)
{
end:	do
	:: atomic { place[t] == OUTSIDE && signal[t] -> signal[t] = 0 }
	od
}
#endif

init
{
	atomic {
		cell[MAPPED(0)] = 1;
		run write_back(0); run write_back(1);
#if defined(FLUSH_EACH_OTHER)
		cell[MAPPED(1)] = 1;
		run vcpu(0); run vcpu(1); run fill(0); run fill(1)
#else
		run write_back(2);
#if defined(TWO_TARGETS)
		run initiator(0); run vcpu(1); run vcpu(2); run fill(1); run fill(2)
#else
		cell[MAPPED(1)] = 1;
		run initiator(0); run initiator(1); run vcpu(2); run fill(2)
#endif
#ifdef KICK_NOT_BLOCKED
		; run delivery(2)
#endif
#endif
	}
}
