/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Store buffers of x86-TSO, for a model to include. A store of CPU c enters
 * c's FIFO buffer; write_back(c) moves the oldest one to memory at any time; a
 * load reads memory. There is no forwarding: no CPU of these models loads a
 * cell for which its own buffer may hold a store.
 *
 * The model defines CELLS (memory), BUFFERS (CPUs that store), DEPTH (of a
 * buffer), and CAN_RUN(c) if a CPU may be unable to execute. It must `run
 * write_back(c)` for each buffer.
 */
#ifndef CAN_RUN
#define CAN_RUN(c) true
#endif

byte cell[CELLS];
byte held[BUFFERS];		/* stores in each buffer */
byte held_cell[BUFFERS * DEPTH];
byte held_value[BUFFERS * DEPTH];
hidden byte slot;

/* Only within atomic. */
inline append(c, a, v)
{
	held_cell[(c) * DEPTH + held[c]] = a;
	held_value[(c) * DEPTH + held[c]] = v;
	held[c]++
}

/* Only within d_step. */
inline write_oldest(c)
{
	cell[held_cell[(c) * DEPTH]] = held_value[(c) * DEPTH];
	for (slot : 1 .. DEPTH - 1) {
		held_cell[(c) * DEPTH + slot - 1] = held_cell[(c) * DEPTH + slot];
		held_value[(c) * DEPTH + slot - 1] = held_value[(c) * DEPTH + slot]
	}
	held_cell[(c) * DEPTH + DEPTH - 1] = 0;	/* equal buffers are equal states */
	held_value[(c) * DEPTH + DEPTH - 1] = 0;
	held[c]--
}

inline drain(c)
{
	d_step {
		do
		:: held[c] > 0 -> write_oldest(c)
		:: else -> break
		od
	}
}

#define STORE(c, a, v) atomic { CAN_RUN(c) && held[c] < DEPTH -> append(c, a, v) }
#define LOAD(c, v, a)  atomic { CAN_RUN(c) -> v = cell[a] }
#define DRAINED(c)     (CAN_RUN(c) && held[c] == 0) /* a fence or a locked operation waits for it */

proctype write_back(byte c)
{
end:	do
	:: d_step { held[c] > 0 -> write_oldest(c) }
	od
}
