/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The `detach` call (vmm/detach.c): CPUs that are lazy on root A are moved to
 * root B by the VMM, so that A can be freed now. Each CR3 that names A owns a
 * reference to it; so does each initiator's mm, and a task of A while it exists;
 * who drops the last one frees A.
 *
 * Each vCPU has a lazy word. The target's thread in the VMM moves it from LAZY
 * to MOVED, then writes CR3; the reference is then the initiator's. The guest
 * moves it from LAZY to ACTIVE before it writes CR3 itself. An exit of KVM_RUN
 * may write registers when the next KVM_RUN completes it, so that is done first,
 * by one that does not enter the guest.
 *
 * Each vCPU has a slot for a request: IDLE, CLAIMED by an initiator, who fills it,
 * POSTED, TAKEN by the target's thread before that looks at the lazy word, DONE, and
 * IDLE again by the initiator. At the deadline that makes POSTED IDLE; what is
 * TAKEN is awaited. The kick is the flush service's, see flush_service.pml.
 *
 * When A is freed no CR3 names it, and none will; no reference is dropped
 * twice, none is lost; no CPU is moved after the call has returned; a CPU that
 * has become ACTIVE stays on A until it leaves.
 *
 * Guest and thread of a vCPU never run at the same time, so store buffers do not
 * matter to the lazy word; the slot's words are sequentially consistent atomics.
 *
 * Settings: one initiator and one target;
 *   TWO_INITIATORS
 *   TWO_TARGETS  the second one is idle from the start
 *   NO_DEADLINE  the initiator waits for ever: every target, halted or not, must
 *                come to answer
 *
 * Mutants of the guest:
 *   GUEST_STORES           LAZY to ACTIVE by a load and a store
 *   GUEST_LOADS_CR3_FIRST  CR3 = A, then the compare-and-swap
 *   LEAVES_UNCLAIMED       a lazy CPU loads B and drops its reference without becoming ACTIVE
 *   DROPS_BEFORE_LOAD      the reference is dropped, then CR3 loaded
 *   MOVED_CPU_DROPS        a CPU that was moved drops its reference, too
 *   FLUSHES_BY_RELOAD      a lazy CPU flushes its TLB by CR3 = CR3
 *   FLUSH_LOST_CLAIM       a lazy CPU flushes its TLB by CR3 = A, although its claim came too late
 *   MOVED_SET_IGNORED      the initiator does not drop what it was handed
 * of the target's thread:
 *   WORD_BEFORE_TAKE       the lazy word is moved, then the request taken
 *   TAKEN_BY_STORE         POSTED to TAKEN by a load and a store
 *   READ_BEFORE_TAKE       the slot's contents are read before it is taken (TWO_INITIATORS)
 *   VMM_STORES             MOVED is stored, whatever the lazy word was
 *   VMM_LOADS_THEN_STORES  holds: the thread and its guest take turns
 *   VMM_LOADS_CR3_FIRST    CR3 = B, then the lazy word
 *   DONE_BEFORE_CR3        reported done, then CR3 written
 *   EXIT_NOT_FINISHED      the last exit is completed after CR3 was written
 *   EXIT_FORGETS           having finished an exit the thread does not look again (NO_DEADLINE)
 *   LOOKS_BEFORE_RUNNING   requests are looked for before the thread counts as running (NO_DEADLINE)
 * of the initiator:
 *   SLOT_NOT_CLAIMED       it fills the slot, whoever uses it (TWO_INITIATORS)
 *   FILLED_AFTER_POST      the slot is filled after it is POSTED (TWO_INITIATORS)
 *   NOT_CANCELLED          it returns at the deadline and leaves the request
 *   CANCELLED_BY_STORE     POSTED to IDLE by a load and a store
 *   TAKEN_NOT_AWAITED      it returns while the request is TAKEN
 *   CANCELLED_IS_MOVED     whom it has given up is in the moved set
 *   NO_KICK                (NO_DEADLINE)
 */
#ifdef TWO_INITIATORS
#define INITIATORS 2
#define EVERY_INITIATOR(step) step(0); step(1)
#else
#define INITIATORS 1
#define EVERY_INITIATOR(step) step(0)
#endif
#ifdef TWO_TARGETS
#define TARGETS 2
#define EVERY_TARGET(step) step(0); step(1)
#else
#define TARGETS 1
#define EVERY_TARGET(step) step(0)
#endif
#ifndef ACTIONS
#define ACTIONS 2		/* of guest 0, before it idles for ever */
#endif

#define A 1
#define B 2

mtype = { LAZY, ACTIVE, MOVED };	/* lazy word: on A; on A and claimed; not on A */
mtype = { IDLE, CLAIMED, POSTED, TAKEN, DONE_MOVED, DONE_KEPT };

mtype lazy_word[TARGETS] = LAZY;
mtype slot[TARGETS] = IDLE;
byte asker[TARGETS];		/* the slot's contents */
byte cr3[TARGETS] = A;
byte references = TARGETS + INITIATORS;
bit  freed;			/* A */
bit  task[TARGETS];		/* a task of A that can run there */
bit  in_guest[TARGETS];
bit  halted[TARGETS];		/* in HLT */
bit  parked[TARGETS];		/* in HLT for ever */
bit  running[TARGETS];		/* run_seq is odd: in KVM_RUN, or about to be */
bit  pending[TARGETS];		/* the thread must look at its slot */
bit  kicked[TARGETS];		/* its signal is pending */
bit  calling[INITIATORS] = 1;	/* the call has not returned */
byte finished;			/* guests and initiators that have nothing left to do */

/* Both only within atomic. */
inline write_cr3(root)
{
	cr3[t] = root;
	assert(!(freed && cr3[t] == A))
}

inline drop()
{
	assert(references > 0);
	references--;
	freed = references == 0;
	assert(!(freed && (cr3[0] == A || cr3[TARGETS - 1] == A)))
}

/*
 * The guest. A step needs the vCPU to be in guest mode.
 */
#define GUEST(step) atomic { in_guest[t] -> step }

/* Compare and swap LAZY to ACTIVE. */
inline claim()
{
#ifdef GUEST_STORES
	GUEST(claimed = lazy_word[t] == LAZY);
	if
	:: claimed -> GUEST(lazy_word[t] = ACTIVE)
	:: else
	fi
#else
	atomic {
		in_guest[t] ->
		claimed = lazy_word[t] == LAZY;
		if
		:: claimed -> lazy_word[t] = ACTIVE
		:: else
		fi
	}
#endif
}

/* The task keeps A alive while the CPU's own reference is taken. */
inline run_task()
{
#ifdef GUEST_LOADS_CR3_FIRST
	GUEST(write_cr3(A));
#endif
	claim();
	if
	:: !claimed ->
		GUEST(assert(!freed); references++);
		GUEST(lazy_word[t] = ACTIVE)
	:: claimed
	fi;
#ifndef GUEST_LOADS_CR3_FIRST
	GUEST(write_cr3(A));
#endif
	GUEST(assert(cr3[t] == A); assert(!freed));
	on_a = 1;
	if
	:: GUEST(task[t] = 0; drop())	/* the CPU's reference is still there */
	:: true				/* it sleeps */
	fi;
	GUEST(lazy_word[t] = LAZY)
}

inline leave()
{
#if defined(LEAVES_UNCLAIMED)
	GUEST(claimed = cr3[t] == A);
#else
	claim();
#endif
	if
#ifdef DROPS_BEFORE_LOAD
	:: claimed -> GUEST(drop()); GUEST(write_cr3(B)); GUEST(lazy_word[t] = MOVED)
#else
	:: claimed -> GUEST(write_cr3(B)); GUEST(drop()); GUEST(lazy_word[t] = MOVED)
#endif
#ifdef MOVED_CPU_DROPS
	:: !claimed -> GUEST(drop())
#else
	:: !claimed
#endif
	fi;
	on_a = 0
}

/* By a CR3 load of the root that the word names, under a claim. */
inline flush_own_tlb()
{
#ifdef FLUSHES_BY_RELOAD
	GUEST(copy = cr3[t]);
	GUEST(write_cr3(copy); copy = 0)
#else
	claim();
	if
	:: claimed -> GUEST(write_cr3(A)); GUEST(lazy_word[t] = LAZY)
#ifdef FLUSH_LOST_CLAIM
	:: !claimed -> GUEST(write_cr3(A))
#else
	:: !claimed -> GUEST(write_cr3(B))
#endif
	fi
#endif
}

/* In the end its task is gone, and it is idle for ever, perhaps still lazily on A. */
proctype guest(byte t)
{
	byte actions, copy;
	bit claimed, on_a = 1;

	do
	:: actions < ACTIONS ->
		actions++;
		if
		:: task[t] -> run_task()
		:: on_a -> leave()
		:: on_a -> flush_own_tlb()
		:: GUEST(halted[t] = 1; in_guest[t] = 0)
		fi
	:: else -> break
	od;
	if
	:: task[t] -> GUEST(task[t] = 0; drop())
	:: else
	fi;
	GUEST(finished++; parked[t] = 1; halted[t] = 1; in_guest[t] = 0)
}

/*
 * The VMM's thread of the vCPU.
 */
inline take()
{
#if defined(TAKEN_BY_STORE)
	slot[t] = TAKEN;
	taken = 1;
#else
	atomic {
		taken = slot[t] == POSTED;
		if
		:: taken -> slot[t] = TAKEN
		:: else
		fi
	};
#endif
#ifndef READ_BEFORE_TAKE
	from = asker[t]
#endif
}

#ifdef VMM_STORES
#define IS_LAZY true
#else
#define IS_LAZY lazy_word[t] == LAZY
#endif

inline move_word()
{
#ifdef VMM_LOADS_THEN_STORES
	moved = IS_LAZY;
	if
	:: moved -> atomic { assert(calling[from]); lazy_word[t] = MOVED }
	:: else
	fi
#else
	atomic {
		moved = IS_LAZY;
		if
		:: moved -> assert(calling[from]); lazy_word[t] = MOVED
		:: else
		fi
	}
#endif
}

inline set_cr3()
{
	if
	:: moved -> atomic { assert(calling[from]); write_cr3(B) }
	:: else
	fi
}

inline report()
{
	atomic {
		if
		:: moved -> slot[t] = DONE_MOVED
		:: else -> slot[t] = DONE_KEPT
		fi
	}
}

inline move()
{
#if defined(WORD_BEFORE_TAKE)
	set_cr3();
	report()
#elif defined(VMM_LOADS_CR3_FIRST)
	moved = 1;
	set_cr3();
	move_word();
	report()
#elif defined(DONE_BEFORE_CR3)
	move_word();
	report();
	set_cr3()
#else
	move_word();
	set_cr3();
	report()
#endif
}

inline serve()
{
#ifdef READ_BEFORE_TAKE
	from = asker[t];
#endif
#ifdef WORD_BEFORE_TAKE
	move_word();
#endif
	take();
	if
	:: taken -> move()
	:: else
	fi;
	atomic { taken = 0; moved = 0; from = 0 }
}

#ifdef EXIT_NOT_FINISHED
#define MUST_FINISH_EXIT false
#else
#define MUST_FINISH_EXIT exit_pending
#endif

/* The next KVM_RUN does not enter the guest, and the thread looks again. */
inline defer()
{
	stay_out = 1;
#ifndef EXIT_FORGETS
	pending[t] = 1
#endif
}

inline look()
{
	atomic { due = pending[t]; pending[t] = 0 };
	if
	:: due && slot[t] == POSTED ->
		if
		:: MUST_FINISH_EXIT -> defer()
		:: else -> serve()
		fi
	:: else
	fi;
	due = 0
}

/*
 * The last exit is completed first, and may put back CR3 as it was then: KVM
 * promises a consistent state only afterwards. Then the guest runs until it
 * exits, or until a signal.
 */
inline kvm_run()
{
	atomic {
		if
		:: exit_pending -> write_cr3(at_exit)
		:: true
		fi;
		exit_pending = 0;
		at_exit = 0
	};
end:	do
	:: atomic { stay_out -> stay_out = 0; break }
	:: atomic { kicked[t] -> kicked[t] = 0; in_guest[t] = 0; break }
	:: atomic { !stay_out && !kicked[t] && !in_guest[t] && !halted[t] -> in_guest[t] = 1 }
	:: atomic { halted[t] && !parked[t] -> halted[t] = 0 }	/* an interrupt of the guest's own */
	:: atomic { in_guest[t] -> in_guest[t] = 0; exit_pending = 1; at_exit = cr3[t]; break }
	od
}

proctype thread(byte t)
{
	byte at_exit, from;
	bit exit_pending, stay_out, due, taken, moved;

	do
	:: true ->
#ifdef LOOKS_BEFORE_RUNNING
		look();
		running[t] = 1;
#else
		running[t] = 1;
		look();
#endif
		kvm_run();
		running[t] = 0
	od
}

/*
 * The initiator; its own CR3 names B already.
 */
inline fill_and_post(t)
{
#ifdef FILLED_AFTER_POST
	slot[t] = POSTED;
	asker[t] = i;
#else
	asker[t] = i;
	slot[t] = POSTED;
#endif
	pending[t] = 1;
#ifndef NO_KICK
	if
	:: running[t] -> kicked[t] = 1
	:: else
	fi
#endif
}

inline ask(t)
{
#ifdef SLOT_NOT_CLAIMED
	asked[t] = 1;
#else
	atomic {
		asked[t] = slot[t] == IDLE;
		if
		:: asked[t] -> slot[t] = CLAIMED
		:: else
		fi
	};
#endif
	if
	:: asked[t] -> fill_and_post(t)
	:: else
	fi
}

inline give_up(t)
{
#ifdef CANCELLED_IS_MOVED
	moved[t] = 1;
#endif
	asked[t] = 0
}

inline answer(t)
{
	if
	:: !asked[t]
	:: asked[t] && slot[t] == DONE_MOVED -> moved[t] = 1; slot[t] = IDLE
	:: asked[t] && slot[t] == DONE_KEPT -> slot[t] = IDLE
	/* The deadline is over. */
#if defined(NOT_CANCELLED)
	:: asked[t] && slot[t] == POSTED -> give_up(t)
#elif defined(CANCELLED_BY_STORE)
	:: asked[t] && slot[t] == POSTED -> slot[t] = IDLE; give_up(t)
#elif defined(TAKEN_NOT_AWAITED)
	:: atomic { asked[t] && slot[t] == POSTED -> slot[t] = IDLE; give_up(t) }
	:: atomic { asked[t] && slot[t] == TAKEN -> slot[t] = IDLE; give_up(t) }
#elif !defined(NO_DEADLINE)
	:: atomic { asked[t] && slot[t] == POSTED -> slot[t] = IDLE; give_up(t) }
#endif
	fi
}

inline drop_if_moved(t)
{
#ifdef MOVED_SET_IGNORED
	skip
#else
	atomic {
		if
		:: moved[t] -> drop()
		:: else
		fi
	}
#endif
}

proctype initiator(byte i)
{
	bit asked[TARGETS], moved[TARGETS];

	EVERY_TARGET(ask);
	EVERY_TARGET(answer);
	calling[i] = 0;
	EVERY_TARGET(drop_if_moved);
	atomic { drop(); finished++ }		/* its mm's own */
}

init
{
	atomic {
		if
		:: task[0] = 1; references++
		:: true
		fi;
		run guest(0); run thread(0);
#ifdef TWO_TARGETS
		if
		:: lazy_word[1] = MOVED; cr3[1] = B; references--	/* has left A already */
		:: true
		fi;
		parked[1] = 1; halted[1] = 1; finished++;
		run thread(1);
#endif
#ifdef TWO_INITIATORS
		run initiator(1);
#endif
		run initiator(0)
	};
	finished == TARGETS + INITIATORS;
#ifdef TWO_TARGETS
	assert(references == (cr3[0] == A) + (cr3[1] == A));
#else
	assert(references == (cr3[0] == A));
#endif
	assert(freed == (references == 0))
}
