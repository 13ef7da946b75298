/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sequence-validated walk of gup_fast(). x86-TSO store buffers. A page
 * table that has been unlinked is freed and used again at once, without a grace
 * period; the walker notices by a per-mm sequence number that the updater bumps
 * between unlinking and freeing.
 *
 * Address space A (walker and updater) and another process B share a pool with
 * one page table, and two data pages. B uses the table for its own mappings.
 *
 * Walker: read sequence; load pmd; V1 sequence again; load pte; V2 sequence
 * again; take a reference unless the count is zero; R1 pte again; R2 sequence
 * again. Two properties: a page that the walk returns belongs to A; and no
 * reference is ever tried on a page that A has never mapped (RESULT_ONLY
 * leaves this one out).
 *
 * Mutants of the walker:
 *   NO_CHECK_BEFORE_USE  without V1 and V2
 *   NO_ENTRY_RECHECK     without R1
 *   NO_FINAL_CHECK       without R2
 *   FINAL_CHECK_EARLY    R2 before R1
 *   PMD_THEN_PTE         no sequence at all; pmd, then pte again at the end, as Linux does
 *   PTE_THEN_PMD         the same, the other way round
 * of the updater:
 *   BUMP_AFTER_FREE, BUMP_BEFORE_UNLINK; BUMP_TWICE (before and after the unlink) holds
 */
#define A 1
#define B 2
#define UPDATES 2
#define REUSES	2

#define PMD	 0
#define SEQUENCE 1
#define PTE	 2		/* the slot of the table that both use */
#define CELLS	 3
#define BUFFERS	 2		/* of A's updater and of B */
#define UPDATER	 0
#define OTHER	 1
#define DEPTH	 4
#include "store_buffer.pml"

#if defined(PMD_THEN_PTE) || defined(PTE_THEN_PMD)
#define NO_CHECK_BEFORE_USE
#define NO_FINAL_CHECK
#endif

bit  table_free = 0;		/* in the pool */
byte count[3];			/* of page 1 and 2 */
byte owner[3];			/* 0: free */
bit  mapped_by_A[3];		/* at some time */

/* Within an atomic. */
inline put(page)
{
	count[page]--;
	if
	:: count[page] == 0 -> owner[page] = 0
	:: else
	fi
}

inline allocate(page, to)
{
	count[page] = 1;
	owner[page] = to
}

#define UNLESS_STILL(address, value, label) \
	again = cell[address]; if :: again != value -> goto label :: else fi

proctype walker()
{
	byte sequence, again, pmd, page;

	sequence = cell[SEQUENCE];
	pmd = cell[PMD];
	if
	:: pmd == 0 -> goto done
	:: else
	fi;
#ifndef NO_CHECK_BEFORE_USE
	UNLESS_STILL(SEQUENCE, sequence, done);			/* V1 */
#endif
	page = cell[PTE];
	if
	:: page == 0 -> goto done
	:: else
	fi;
#ifndef NO_CHECK_BEFORE_USE
	UNLESS_STILL(SEQUENCE, sequence, done);			/* V2 */
#endif
	atomic {						/* locked */
#ifndef RESULT_ONLY
		assert(mapped_by_A[page]);
#endif
		if
		:: count[page] == 0 -> goto done
		:: else -> count[page]++
		fi
	};
#ifdef PMD_THEN_PTE
	UNLESS_STILL(PMD, pmd, undo);
#endif
#ifdef FINAL_CHECK_EARLY
	UNLESS_STILL(SEQUENCE, sequence, undo);			/* R2 */
#endif
#ifndef NO_ENTRY_RECHECK
	UNLESS_STILL(PTE, page, undo);					/* R1 */
#endif
#ifdef PTE_THEN_PMD
	UNLESS_STILL(PMD, pmd, undo);
#endif
#if !defined(NO_FINAL_CHECK) && !defined(FINAL_CHECK_EARLY)
	UNLESS_STILL(SEQUENCE, sequence, undo);			/* R2 */
#endif
	atomic { assert(owner[page] == A); put(page) };
	goto done;
undo:	atomic { put(page) };
done:	skip
}

/*
 * A's unmaps and faults, under A's page-table lock. A table goes with the entries
 * that are in it. A locked operation waits for the buffer.
 */
proctype updater()
{
	byte sequence = 0, updates = 0, page = 1;

	do
	:: updates < UPDATES ->
		updates++;
		if
		:: true ->
			STORE(UPDATER, PTE, 0);
			atomic { DRAINED(UPDATER) -> put(page) }	/* after the flush */
		:: true ->
#if defined(BUMP_BEFORE_UNLINK) || defined(BUMP_TWICE)
			sequence++;
			STORE(UPDATER, SEQUENCE, sequence);
#endif
			STORE(UPDATER, PMD, 0);
#if !defined(BUMP_BEFORE_UNLINK) && !defined(BUMP_AFTER_FREE)
			sequence++;
			STORE(UPDATER, SEQUENCE, sequence);
#endif
			atomic { DRAINED(UPDATER) -> put(page) };	/* after the flush */
			table_free = 1;
#ifdef BUMP_AFTER_FREE
			sequence++;
			STORE(UPDATER, SEQUENCE, sequence);
#endif
			if
			:: atomic { DRAINED(UPDATER) && table_free -> table_free = 0 };
			   STORE(UPDATER, PTE, 0);
			   STORE(UPDATER, PMD, 1)
			:: break
			fi
		fi;
		if
		:: atomic { DRAINED(UPDATER) && count[1] == 0 -> allocate(1, A); page = 1 }
		:: atomic { DRAINED(UPDATER) && count[2] == 0 -> allocate(2, A); page = 2 }
		:: break
		fi;
		mapped_by_A[page] = 1;
		STORE(UPDATER, PTE, page)
	:: else -> break
	od
}

/*
 * B takes a page; then, perhaps, the table from the pool, to map and unmap the page
 * there; and gives both back.
 */
proctype other_process()
{
	byte reuses = 0, page;

	do
	:: reuses < REUSES ->
		reuses++;
		if
		:: atomic { count[1] == 0 -> allocate(1, B); page = 1 }
		:: atomic { count[2] == 0 -> allocate(2, B); page = 2 }
		:: break
		fi;
		if
		:: atomic { table_free -> table_free = 0 };
		   STORE(OTHER, PTE, 0);
		   STORE(OTHER, PTE, page);
		   STORE(OTHER, PTE, 0);
		   atomic { DRAINED(OTHER) -> table_free = 1 }
		:: true
		fi;
		atomic { put(page) }
	:: else -> break
	od
}

init
{
	atomic {
		cell[PMD] = 1;
		cell[PTE] = 1;
		allocate(1, A);
		mapped_by_A[1] = 1;
		run walker(); run updater(); run other_process();
		run write_back(UPDATER); run write_back(OTHER)
	}
}
