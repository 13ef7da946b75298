/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sequence-validated walk over two levels: root, middle table, leaf table.
 * x86-TSO store buffers. A middle table that has been unlinked is at once
 * somebody's data, so what the walker loads from it may be no entry at all, and
 * must not be followed.
 *
 * Mutant: FOLLOW_UNCHECKED, the sequence is not read again between the load of
 * an entry and its use.
 */
#define LEAF	1		/* the genuine entry */
#define GARBAGE 9
#define UPDATES 2
#define REUSES	2

#define ROOT	 0
#define SEQUENCE 1
#define MIDDLE	 2		/* the slot that the walker reads */
#define CELLS	 3
#define BUFFERS	 2
#define UPDATER	 0
#define OTHER	 1
#define DEPTH	 3
#include "store_buffer.pml"

bit  middle_free = 0;

proctype walker()
{
	byte sequence, again, root, entry;

	sequence = cell[SEQUENCE];
	root = cell[ROOT];
	if
	:: root == 0 -> goto done
	:: else
	fi;
	entry = cell[MIDDLE];
	if
	:: entry == 0 -> goto done
	:: else
	fi;
#ifndef FOLLOW_UNCHECKED
	again = cell[SEQUENCE];
	if
	:: again != sequence -> goto done
	:: else
	fi;
#endif
	assert(entry == LEAF);
done:	skip
}

/* The pool of free tables is under a lock: a locked operation, which drains. */
proctype updater()
{
	byte sequence = 0, updates = 0;

	do
	:: updates < UPDATES ->
		updates++;
		STORE(UPDATER, MIDDLE, 0);
		STORE(UPDATER, ROOT, 0);
		sequence++;
		STORE(UPDATER, SEQUENCE, sequence);
		atomic { DRAINED(UPDATER) -> middle_free = 1 };
		if
		:: atomic { DRAINED(UPDATER) && middle_free -> middle_free = 0 };
		   STORE(UPDATER, MIDDLE, LEAF);
		   STORE(UPDATER, ROOT, 1)
		:: break
		fi
	:: else -> break
	od
}

proctype other_user()
{
	byte reuses = 0;

	do
	:: reuses < REUSES ->
		reuses++;
		if
		:: atomic { DRAINED(OTHER) && middle_free -> middle_free = 0 }
		:: break
		fi;
		STORE(OTHER, MIDDLE, GARBAGE);
		STORE(OTHER, MIDDLE, 0);
		atomic { DRAINED(OTHER) -> middle_free = 1 }
	:: else -> break
	od
}

init
{
	atomic {
		cell[ROOT] = 1;
		cell[MIDDLE] = LEAF;
		run walker(); run updater(); run other_user();
		run write_back(UPDATER); run write_back(OTHER)
	}
}
