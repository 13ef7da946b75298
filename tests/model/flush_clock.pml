/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel address whose flush is deferred: needed before the address is
 * mapped again, not now, and any full flush in between will do. A flush clock
 * says which did.
 *
 *   unmap            clear the pte; full barrier; stamp = clock
 *   flush on CPU c   t = ++clock, locked; flush; time[c] = t
 *   flush by host    t = ++clock, locked; the host flushes, or will before the CPU
 *                    runs again; credit[c] = t
 *   remap            force a flush on each CPU whose time and credit are both <= stamp; then map
 *
 * x86-TSO where it matters: the clear waits in a store buffer.
 *
 * HOST_FLUSHES: with a flush of CPU 0 by the host. Mutants:
 *   TICK_AFTER_FLUSH     the clock ticks after the flush
 *   TIME_BEFORE_FLUSH    time[c] is published before the flush
 *   EQUAL_SUFFICES       a flush at the stamp's own tick counts: < for <=
 *   NO_BARRIER           the stamp may be read before the clear is visible
 *   STAMP_BEFORE_CLEAR
 *   SKIP_DESCHEDULED     CPUs that do not run are not made to flush
 *   CREDIT_EARLY         (HOST_FLUSHES) credit[c] is raised before the host is asked
 *   TICK_AFTER_REQUEST   (HOST_FLUSHES) the clock ticks after the host has flushed
 */
#define CPUS 2
#define OLD  1
#define NEW  2
#ifdef HOST_FLUSHES
#define INCIDENTAL_FLUSHES 1
#else
#define INCIDENTAL_FLUSHES 2
#endif

byte pte = OLD;
bit  clear_buffered = 0;	/* the unmapper's store */
byte clock = 1;
byte time[CPUS] = 0;
byte credit[CPUS] = 0;
byte tlb[CPUS] = 0;		/* what the TLB holds, 0: nothing */
bit  on[CPUS] = 1;		/* scheduled by the host */
bit  flush_on_entry[CPUS] = 0;
bit  forced[CPUS] = 0;
bit  remapped = 0;

inline flush(c)
{
#if defined(TICK_AFTER_FLUSH)
	atomic { on[c] -> tlb[c] = 0 };
	atomic { on[c] -> clock++; now_is = clock };
	atomic { on[c] -> time[c] = now_is }
#elif defined(TIME_BEFORE_FLUSH)
	atomic { on[c] -> clock++; now_is = clock };
	atomic { on[c] -> time[c] = now_is };
	atomic { on[c] -> tlb[c] = 0 }
#else
	atomic { on[c] -> clock++; now_is = clock };
	atomic { on[c] -> tlb[c] = 0 };
	atomic { on[c] -> time[c] = now_is }
#endif
}

proctype cpu(byte c)
{
	byte now_is, flushes = 0;

end:	do
	:: flushes < INCIDENTAL_FLUSHES -> flushes++; flush(c)
	:: forced[c] -> flush(c); forced[c] = 0
	od
}

proctype hardware_walker(byte c)
{
end:	do
	:: atomic { on[c] && tlb[c] == 0 && pte != 0 -> tlb[c] = pte }
	:: atomic { on[c] && tlb[c] != 0 -> assert(!(remapped && tlb[c] == OLD)) }
	od
}

proctype host(byte c)
{
	bit preempted = 0;

end:	do
	:: atomic { on[c] && !preempted -> on[c] = 0; preempted = 1 }
	:: atomic {
		!on[c] -> on[c] = 1;
		tlb[c] = (flush_on_entry[c] -> 0 : tlb[c]);
		flush_on_entry[c] = 0
	   }
	od
}

#ifdef HOST_FLUSHES
inline flush_by_host(c)
{
	atomic {
		if
		:: on[c] -> tlb[c] = 0
		:: else -> flush_on_entry[c] = 1
		fi
	}
}

/* On a CPU that is not modelled. */
active proctype asks_host()
{
	byte now_is;

#ifdef TICK_AFTER_REQUEST
	flush_by_host(0);
	atomic { clock++; now_is = clock };
#else
	atomic { clock++; now_is = clock };
#ifdef CREDIT_EARLY
	credit[0] = now_is;
#endif
	flush_by_host(0);
#endif
	credit[0] = now_is
}
#endif

proctype write_back()
{
end:	do
	:: atomic { clear_buffered -> pte = 0; clear_buffered = 0 }
	od
}

#if defined(EQUAL_SUFFICES)
#define MUST_FLUSH(c) (time[c] < stamp && credit[c] < stamp)
#elif defined(SKIP_DESCHEDULED)
#define MUST_FLUSH(c) (time[c] <= stamp && credit[c] <= stamp && on[c])
#else
#define MUST_FLUSH(c) (time[c] <= stamp && credit[c] <= stamp)
#endif

inline force(c)
{
	if
	:: atomic { MUST_FLUSH(c) -> forced[c] = 1 }; !forced[c]
	:: else
	fi
}

init
{
	byte stamp;

	atomic {
		run cpu(0); run cpu(1);
		run hardware_walker(0); run hardware_walker(1);
		run host(0); run host(1);
		run write_back()
	};
#ifdef STAMP_BEFORE_CLEAR
	stamp = clock;
#endif
	clear_buffered = 1;
#ifndef NO_BARRIER
	!clear_buffered;
#endif
#ifndef STAMP_BEFORE_CLEAR
	stamp = clock;
#endif
	!clear_buffered;	/* at the latest by what orders the remapper after the unmapper */
	force(0);
	force(1);
	atomic { pte = NEW; remapped = 1 }
}
