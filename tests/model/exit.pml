/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An address space dies. No thread of it exists, so no software walker does;
 * but CPUs may still have its root in CR3: lazy ones, and the one that exits.
 * When may its tables be harvested without atomics, and freed? Sequentially
 * consistent memory.
 *
 * Three protocols:
 *   (default)        each CR3 owns a reference to the root, dropped after the
 *                    next CR3 is live; the last to drop tears down. Nobody waits
 *   ASK_ALL          every CPU in the mask is asked to load init_mm, and waited for
 *   CLEAR_AND_FLUSH  the root's entries are cleared and every CPU in the mask is
 *                    flushed, lazy ones too; then what hung below is torn down
 * PCID: a CR3 load keeps the old PCID's entries, and later CPU 2 gives the dead
 * address space's PCID to a new one.
 *
 * Mutants:
 *   DROP_BEFORE_LOAD    the reference is dropped, then CR3 loaded
 *   LAZY_LEFT_OUT       (ASK_ALL, CLEAR_AND_FLUSH) lazy CPUs are skipped
 *   FLUSH_ON_ENTRY      (ASK_ALL) of a descheduled vCPU a flush is asked instead
 *   CLEAR_MASK_EARLY    (ASK_ALL) leaving: mask bit cleared, then CR3 loaded
 *   FREE_FIRST          (ASK_ALL) torn down, then asked
 *   ROOT_NOT_CLEARED    (CLEAR_AND_FLUSH)
 *   FLUSH_BEFORE_CLEAR  (CLEAR_AND_FLUSH)
 *   PCID_NOT_FLUSHED    (PCID) the PCID is given away without a flush
 */
#define CPUS 3
#define INIT_MM 0
#define MM	1
#define NEW_MM	2
#define PCID_OF_MM 1

byte cr3[CPUS] = MM;
bit  pcid[CPUS] = PCID_OF_MM;
bit  lazy[CPUS] = 1;
bit  in_mask[CPUS] = 1;
bit  cached[CPUS] = 0;		/* an entry tagged PCID_OF_MM names one of the dying tables */
bit  on[CPUS] = 1;		/* scheduled by the host */
bit  flush_on_entry[CPUS] = 0;
bit  asked[CPUS] = 0;		/* to load init_mm */
byte references = CPUS;
bit  root_cleared = 0;
bit  torn_down = 0;		/* from here on nobody else may touch the tables */
bit  finished = 0;
bit  pcid_reused = 0;

/* Within an atomic. */
inline load_cr3(c, mm, tag)
{
	cr3[c] = mm;
	pcid[c] = tag;
#ifndef PCID
	cached[c] = 0
#endif
}

inline tear_down()
{
	torn_down = 1;		/* from the harvest of A and D bits on, the hardware must be gone */
	finished = 1
}

inline drop()
{
	atomic { references--; last = references == 0 };
	if
	:: last -> tear_down()
	:: else
	fi
}

inline leave(c)
{
#ifdef CLEAR_MASK_EARLY
	atomic { on[c] -> in_mask[c] = 0 };
	atomic { on[c] -> load_cr3(c, INIT_MM, 0) }
#else
	atomic { on[c] -> load_cr3(c, INIT_MM, 0) };
	atomic { on[c] -> in_mask[c] = 0 }
#endif
}

inline leave_and_drop(c)
{
#ifdef DROP_BEFORE_LOAD
	drop();
	atomic { on[c] -> load_cr3(c, INIT_MM, 0) }
#else
	atomic { on[c] -> load_cr3(c, INIT_MM, 0) };
	drop()
#endif
}

inline reuse_pcid(c)
{
	pcid_reused = 1;
	cr3[c] = NEW_MM;
	pcid[c] = PCID_OF_MM;
#ifndef PCID_NOT_FLUSHED
	cached[c] = 0		/* bit 63 of the new CR3 is clear */
#endif
}

proctype cpu(byte c)		/* runs a kernel thread on the dying mm */
{
	bit last;

	do
#if defined(ASK_ALL) || defined(CLEAR_AND_FLUSH)
	:: atomic { on[c] && cr3[c] == MM -> asked[c] = 0 }; leave(c)
#else
	:: atomic { on[c] && cr3[c] == MM }; leave_and_drop(c)
#endif
#ifdef PCID
	:: atomic { on[c] && c == 2 && cr3[c] == INIT_MM && finished && !pcid_reused -> reuse_pcid(c) }
#endif
	:: finished && cr3[c] != MM -> break
	od
}

proctype hardware_walker(byte c)
{
end:	do
	/* From the root in CR3. */
	:: atomic {
		on[c] && cr3[c] == MM && !root_cleared && !cached[c] ->
		assert(!torn_down);
		cached[c] = 1
	   }
	/* From an entry cached under the current PCID; it may set A bits, too. */
	:: atomic { on[c] && pcid[c] == PCID_OF_MM && cached[c] -> assert(!torn_down) }
	od
}

proctype host(byte c)
{
	bit preempted = 0;

end:	do
	:: atomic { on[c] && !preempted -> on[c] = 0; preempted = 1 }
	:: atomic {
		!on[c] -> on[c] = 1;
		cached[c] = cached[c] && !flush_on_entry[c];
		flush_on_entry[c] = 0
	   }
	od
}

#ifdef LAZY_LEFT_OUT
#define TARGET(c) (in_mask[c] && !lazy[c])
#else
#define TARGET(c) in_mask[c]
#endif

inline ask(c)
{
#ifdef FLUSH_ON_ENTRY
	atomic {
		if
		:: !on[c] -> flush_on_entry[c] = 1
		:: else -> asked[c] = TARGET(c)
		fi
	}
#else
	asked[c] = TARGET(c)
#endif
}

#if defined(FLUSH_ON_ENTRY)
#define HAS_LEFT(c) (!in_mask[c] || flush_on_entry[c] || !asked[c])
#elif defined(LAZY_LEFT_OUT)
#define HAS_LEFT(c) !TARGET(c)
#else
#define HAS_LEFT(c) !in_mask[c]
#endif

inline ask_all()
{
	ask(1);
	ask(2);
	HAS_LEFT(1) && HAS_LEFT(2)
}

inline flush_cpu(c)
{
	atomic {
		if
		:: TARGET(c) && on[c] -> cached[c] = 0
		:: TARGET(c) && !on[c] -> flush_on_entry[c] = 1
		:: else
		fi
	}
}

inline flush_all()
{
	flush_cpu(0);
	flush_cpu(1);
	flush_cpu(2)
}

init
{
	bit last;

	atomic {
		if
		:: cr3[2] = INIT_MM; pcid[2] = 0; in_mask[2] = 0; references--	/* has left already */
		:: true
		fi;
		if
		:: lazy[1] = 0
		:: true
		fi;
		lazy[0] = 0;
		run cpu(1); run cpu(2);
		run hardware_walker(0); run hardware_walker(1); run hardware_walker(2);
		run host(1); run host(2)
	};
	/* The exiting thread, on CPU 0. */
#if defined(ASK_ALL)
	leave(0);
#ifdef FREE_FIRST
	tear_down();
	ask_all()
#else
	ask_all();
	tear_down()
#endif
#elif defined(CLEAR_AND_FLUSH)
#ifdef FLUSH_BEFORE_CLEAR
	flush_all();
#endif
#ifndef ROOT_NOT_CLEARED
	root_cleared = 1;
#endif
#ifndef FLUSH_BEFORE_CLEAR
	flush_all();
#endif
	tear_down();
	leave(0)
#else
	leave_and_drop(0)
#endif
}
