/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU with PCIDs goes to and fro between two address spaces, A and B. Another one takes pages
 * out of A, and asks the first one to flush only if it finds its bit in A's mask. The flusher
 * has a store buffer; the bit is set by a locked instruction.
 *
 *   (default)     the flush is an interrupt, held off during the switch, whose handler forgets
 *                 by the current PCID only
 *   HOST_FLUSHES  the host flushes at any time, by every PCID
 *   ONE_PCID      A and B take the PCID from each other
 *
 * Mutants:
 *   STALE_KEPT          coming back, the generation is not looked at
 *   LOOK_BEFORE_BIT     it is looked at, then the bit is set
 *   BUMP_AFTER_LOOK     the flusher looks at the mask, then changes the generation
 *   BUMP_UNFENCED       the change may still be in the store buffer when it looks
 *   CREDITED_AT_LEAVE   leaving, the CPU takes all flushes so far for done
 *   FLUSHES_CURRENT     (HOST_FLUSHES) the host forgets by the current PCID only
 *   TAKEN_UNFLUSHED     (ONE_PCID) a PCID that is taken is not flushed
 */
#ifndef VISITS
#define VISITS 3
#endif
#define PAGES 2		/* one after the other at the same address */
#define MM_A  1
#define MM_B  2
#define PCID  1		/* A's */
#ifdef ONE_PCID
#define PCID_OF_B 1
#else
#define PCID_OF_B 2
#endif

#define ENTRY	   0	/* the page that A maps; 0: none */
#define GENERATION 1
#define MASK	   2	/* of A: the CPU's bit */
#define CELLS	   3
#define BUFFERS	   1
#define FLUSHER	   0
#define DEPTH	   2
#include "store_buffer.pml"

byte running = MM_B;	/* whose root is in CR3 */
byte pcid = PCID_OF_B;
byte cached = 0;	/* the page for A's address, tagged PCID */
bit  freed[PAGES + 1];
bit  irq_on = 1;
bit  interrupt = 0;

inline load_cr3(mm, tag, keep_it)
{
	atomic {
		running = mm;
		pcid = tag;
		cached = (tag != PCID || keep_it -> cached : 0)
	}
}

inline come()
{
#ifdef LOOK_BEFORE_BIT
	generation = cell[GENERATION];
	cell[MASK] = 1;
#else
	cell[MASK] = 1;
	generation = cell[GENERATION];
#endif
#ifdef STALE_KEPT
	keep = slot_mm == MM_A;
#else
	keep = slot_mm == MM_A && slot_generation == generation;
#endif
	slot_mm = MM_A;
	slot_generation = generation;
	load_cr3(MM_A, PCID, keep)
}

inline leave()
{
#ifdef ONE_PCID
	slot_mm = MM_B;
#endif
#ifdef TAKEN_UNFLUSHED
	load_cr3(MM_B, PCID_OF_B, true);
#else
	load_cr3(MM_B, PCID_OF_B, false);
#endif
#ifdef CREDITED_AT_LEAVE
	slot_generation = cell[GENERATION];
#endif
	cell[MASK] = 0
}

proctype cpu()
{
	byte slot_mm = 0, slot_generation = 0, generation, visits = 0;
	bit keep;

	do
	:: visits < VISITS ->
		visits++;
		irq_on = 0;
		come();
		irq_on = 1;
		irq_on = 0;
		leave();
		irq_on = 1
	:: else -> break
	od
}

#ifndef HOST_FLUSHES
proctype handler()
{
end:	do
	:: atomic {
		interrupt && irq_on ->
		interrupt = 0;
		cached = (pcid == PCID -> 0 : cached)
	   }
	od
}
#endif

proctype hardware()
{
end:	do
	:: atomic { running == MM_A && !cached && cell[ENTRY] -> cached = cell[ENTRY] }
	:: atomic {
		pcid == PCID && cached ->
		assert(running == MM_A);
		assert(!freed[cached])
	   }
	od
}

inline flush()
{
#ifndef HOST_FLUSHES
	interrupt = 1;
	!interrupt
#else
#ifdef FLUSHES_CURRENT
	cached = (pcid == PCID -> 0 : cached)
#else
	cached = 0
#endif
#endif
}

proctype flusher()
{
	byte generation = 0, page = 0;
	bit asked;

	do
	:: page < PAGES ->
		page++;
		atomic { DRAINED(FLUSHER) -> cell[ENTRY] = 0 };
		generation++;
#if !defined(BUMP_AFTER_LOOK) && !defined(BUMP_UNFENCED)
		STORE(FLUSHER, GENERATION, generation);
#endif
		DRAINED(FLUSHER);
#ifdef BUMP_UNFENCED
		STORE(FLUSHER, GENERATION, generation);
#endif
		asked = cell[MASK];
#ifdef BUMP_AFTER_LOOK
		STORE(FLUSHER, GENERATION, generation);
#endif
		if
		:: asked -> flush()
		:: else
		fi;
		freed[page] = 1;
		atomic { DRAINED(FLUSHER) -> cell[ENTRY] = (page < PAGES -> page + 1 : 0) }
	:: else -> break
	od
}

init
{
	atomic {
		cell[ENTRY] = 1;
		run cpu(); run hardware(); run flusher(); run write_back(FLUSHER);
#ifndef HOST_FLUSHES
		run handler()
#endif
	}
}
