/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A page table is unlinked, flushed without IPIs, and freed after a grace
 * period for software walkers. With lazy CPUs, speculative hardware walks and
 * preemption by the host. Sequentially consistent memory; asym_fence.pml has
 * store buffers.
 *
 * CPU 0 unmaps. CPU 1 runs a user thread: walks, goes lazy, leaves the mm,
 * comes back. CPU 2 is lazy from the start.
 *
 * A walker's counter is odd during a walk. CPU 0 snapshots the counters, and
 * frees when each was even or has changed.
 *
 * Two orders hold: unlink, flush, grace period, free; and, with
 * GRACE_THEN_FLUSH, unlink, grace period, flush, free. Mutants:
 *   NO_GRACE_PERIOD           freed after the flush
 *   FLUSH_AFTER_FREE          freed after the grace period, then flushed
 *   FLUSH_SKIPS_LAZY          a lazy CPU catches up when it stops being lazy
 *   CLEAR_MASK_EARLY          leaving: mask bit cleared, then CR3 loaded
 *   SET_MASK_LATE             entering: CR3 loaded, then mask bit set
 *   DESCHEDULED_IS_QUIESCENT  a vCPU that does not run is taken for one outside a walk
 */
#define CPUS 3
#define INIT_MM 0
#define MM	1

bit  table_freed = 0;
bit  unmapped = 0;		/* the unmapper is done */
bit  pmd = 1;
byte cr3[CPUS] = MM;
bit  lazy[CPUS] = 0;
bit  in_mask[CPUS] = 1;
bit  cached[CPUS] = 0;		/* the paging-structure cache names the table */
bit  on[CPUS] = 1;		/* scheduled by the host */
bit  flush_on_entry[CPUS] = 0;
byte walks[CPUS] = 0;		/* odd: in a walk */

inline walk(c)
{
	atomic { on[c] -> walks[c]++ };
	atomic { on[c] -> entry = pmd };
	if
	:: entry -> atomic { on[c] -> assert(!table_freed) }
	:: else
	fi;
	atomic { on[c] -> walks[c]++ }
}

/* Without PCIDs a CR3 load drops the cache. */
inline leave(c)
{
#ifdef CLEAR_MASK_EARLY
	atomic { on[c] -> in_mask[c] = 0 };
	atomic { on[c] -> cr3[c] = INIT_MM; cached[c] = 0; lazy[c] = 0 }
#else
	atomic { on[c] -> cr3[c] = INIT_MM; cached[c] = 0; lazy[c] = 0 };
	atomic { on[c] -> in_mask[c] = 0 }
#endif
}

inline enter(c)
{
#ifdef SET_MASK_LATE
	atomic { on[c] -> cr3[c] = MM; cached[c] = 0 };
	atomic { on[c] -> in_mask[c] = 1 }
#else
	atomic { on[c] -> in_mask[c] = 1 };
	atomic { on[c] -> cr3[c] = MM; cached[c] = 0 }
#endif
}

inline stop_being_lazy(c)
{
#ifdef FLUSH_SKIPS_LAZY
	atomic { on[c] -> lazy[c] = 0; cached[c] = 0 }
#else
	atomic { on[c] -> lazy[c] = 0 }
#endif
}

active proctype cpu1()
{
	byte steps = 0;
	bit entry;

	do
	:: steps < 3 ->
		steps++;
		if
		:: cr3[1] == MM && !lazy[1] -> walk(1)
		:: cr3[1] == MM && !lazy[1] -> atomic { on[1] -> lazy[1] = 1 }
		:: cr3[1] == MM && lazy[1] -> stop_being_lazy(1)
		:: cr3[1] == MM -> leave(1)
		:: cr3[1] == INIT_MM -> enter(1)
		fi
	:: else -> break
	od
}

active proctype cpu2()
{
	byte steps = 0;

	lazy[2] = 1;
	do
	:: steps < 2 ->
		steps++;
		if
		:: cr3[2] == MM -> leave(2)
		:: cr3[2] == INIT_MM -> enter(2); atomic { on[2] -> lazy[2] = 1 }
		:: true
		fi
	:: else -> break
	od
}

proctype hardware_walker(byte c)
{
end:	do
	:: atomic { on[c] && cr3[c] == MM && pmd && !cached[c] -> cached[c] = 1 }
	:: atomic { on[c] && cr3[c] == MM && cached[c] -> assert(!table_freed) }
	:: atomic { unmapped && !cached[c] -> break }
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

#ifdef FLUSH_SKIPS_LAZY
#define TO_FLUSH(c) (in_mask[c] && !lazy[c])
#else
#define TO_FLUSH(c) in_mask[c]
#endif

/* The hypervisor's side: whoever runs is flushed, the others are before they run again. */
inline flush_cpu(c)
{
	atomic {
		if
		:: TO_FLUSH(c) && on[c] -> cached[c] = 0
		:: TO_FLUSH(c) && !on[c] -> flush_on_entry[c] = 1
		:: else
		fi
	}
}

inline flush()
{
	flush_cpu(1);
	flush_cpu(2)
}

#ifdef DESCHEDULED_IS_QUIESCENT
#define QUIESCENT(c, seen) (!on[c] || (seen) % 2 == 0 || walks[c] != (seen))
#else
#define QUIESCENT(c, seen) ((seen) % 2 == 0 || walks[c] != (seen))
#endif

inline grace_period()
{
	seen1 = walks[1];
	seen2 = walks[2];
	QUIESCENT(1, seen1);
	QUIESCENT(2, seen2)
}

active proctype unmapper()
{
	byte seen1, seen2;

	atomic { run hardware_walker(1); run hardware_walker(2); run host(1); run host(2) };
	pmd = 0;
#if defined(GRACE_THEN_FLUSH)
	grace_period();
	flush();
#elif defined(FLUSH_AFTER_FREE)
	grace_period();
#elif defined(NO_GRACE_PERIOD)
	flush();
#else
	flush();
	grace_period();
#endif
	table_freed = 1;
#ifdef FLUSH_AFTER_FREE
	flush();
#endif
	unmapped = 1
}
