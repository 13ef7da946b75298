/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walker that cannot restart: a per-CPU counter, odd during a walk, written
 * with plain stores. x86-TSO store buffers. CPU 0 and 1 walk; the updater
 * unlinks a table, flushes, snapshots the counters, and frees the table when
 * each was even or has changed.
 *
 * The walker needs "counter = odd" before "load pmd": StoreLoad, the one order
 * that TSO does not keep. It has no fence (READER_FENCE gives it one): the
 * flush or fence hypercall is the fence, if each target that runs exits after
 * the call began and the call waits for it, and each other target passes a
 * barrier before it runs again.
 *
 * Mutants of that hypercall:
 *   NO_EVENT            nothing happens on the target (INVLPGB, a remote ASID bump)
 *   NOT_WAITED          the exit is requested, the call does not wait
 *   ONE_LEFT_OUT        CPU 1 is filtered out: "its TLB is empty"
 * and of the updater:
 *   DESCHEDULED_IS_QUIESCENT  a vCPU that does not run is taken for one outside a walk
 *   SNAPSHOT_FIRST            the snapshot is taken before the flush
 *   UNLINK_NOT_DRAINED        the unlink may still be in the updater's buffer
 * TABLES: unlinked and freed one after the other.
 */
#ifndef TABLES
#define TABLES 1
#endif
#define READERS 2
#define UPDATER 2		/* its CPU */
#define WALKS	2

#define PMD	 0		/* holds the number of a table, 0: none */
#define WALKS_OF(c) (1 + (c))	/* odd: in a walk */
#define CELLS	 (1 + READERS)
#define BUFFERS	 (READERS + 1)
#define DEPTH	 3

bit  on[BUFFERS] = 1;		/* scheduled by the host */
#define CAN_RUN(c) on[c]
#include "store_buffer.pml"

bit  exit_requested[READERS] = 0;
bit  table_freed[TABLES + 1] = 0;

proctype reader(byte c)
{
	byte counter = 0, walk = 0, entry;

	do
	:: walk < WALKS ->
		walk++;
		counter++;
		STORE(c, WALKS_OF(c), counter);
#ifdef READER_FENCE
		DRAINED(c);
#endif
		LOAD(c, entry, PMD);
		if
		:: entry != 0 -> atomic { on[c] -> assert(!table_freed[entry]) }
		:: else
		fi;
		counter++;
		STORE(c, WALKS_OF(c), counter);
		entry = 0
	:: else -> break
	od
}

/* Leaving the guest drains the buffer, to be descheduled as well. */
proctype host(byte c)
{
	bit preempted = 0;

end:	do
	:: atomic { on[c] && !preempted -> drain(c); on[c] = 0; preempted = 1 }
	:: atomic { !on[c] -> on[c] = 1 }
#ifdef NOT_WAITED
	:: atomic { on[c] && exit_requested[c] -> exit_requested[c] = 0; drain(c) }
#endif
	od
}

inline force_exit(c)
{
#if defined(NO_EVENT)
	skip
#elif defined(NOT_WAITED)
	exit_requested[c] = 1
#else
	atomic {
		if
		:: on[c] -> drain(c)
		:: else
		fi
	}
#endif
}

inline flush()
{
	force_exit(0);
#ifndef ONE_LEFT_OUT
	force_exit(1)
#endif
}

inline snapshot(c)
{
	atomic { seen[c] = cell[WALKS_OF(c)]; off[c] = !on[c] }
}

#ifdef DESCHEDULED_IS_QUIESCENT
#define QUIESCENT(c) (seen[c] % 2 == 0 || off[c] || cell[WALKS_OF(c)] != seen[c])
#else
#define QUIESCENT(c) (seen[c] % 2 == 0 || cell[WALKS_OF(c)] != seen[c])
#endif

proctype updater()
{
	byte seen[READERS], table = 1;
	bit off[READERS];

	do
	:: table <= TABLES ->
		STORE(UPDATER, PMD, 0);
#ifndef UNLINK_NOT_DRAINED
		DRAINED(UPDATER);
#endif
#ifdef SNAPSHOT_FIRST
		snapshot(0);
		snapshot(1);
		flush();
#else
		flush();
		snapshot(0);
		snapshot(1);
#endif
		QUIESCENT(0);
		QUIESCENT(1);
		table_freed[table] = 1;
		table++;
		STORE(UPDATER, PMD, table % (TABLES + 1))	/* the next one, none in the end */
	:: else -> break
	od
}

init
{
	atomic {
		cell[PMD] = 1;
		run reader(0); run host(0); run write_back(0);
		run reader(1); run host(1); run write_back(1);
		run updater(); run write_back(UPDATER)
	}
}
