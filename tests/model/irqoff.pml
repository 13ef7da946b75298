/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walker of old: get_user_pages_fast() with interrupts off, which relies
 * on the shootdown IPI being held up. Why a flush without IPIs needs another
 * walker. Sequentially consistent memory.
 *
 * One table hangs from a pmd. CPU 1 walks it in software and, speculatively,
 * in hardware; the host preempts CPU 1. CPU 0 unlinks the table, flushes,
 * frees it, and somebody else uses it.
 *
 * The flush (default: an IPI to the CPU, waited for):
 *   FLUSH_BY_HYPERCALL  the hypervisor, or a broadcast instruction, empties the
 *                       CPU's TLB and paging-structure cache; the guest takes no interrupt
 *   FLUSH_ON_ENTRY      an IPI if the CPU runs, else the hypervisor flushes
 *                       before it runs again (KVM's steal-time protocol)
 *   NO_FLUSH            none
 * NO_WALKER             leaves the software walker out: what remains is the hardware's side
 */
#define WALKS	    2
#define PREEMPTIONS 2

bit  table_freed = 0;
bit  pmd = 1;			/* points to the table */
bit  interrupts_on = 1;		/* the rest is CPU 1's */
bit  ipi = 0;
bit  acknowledged = 0;
bit  on = 1;			/* scheduled by the host */
bit  flush_on_entry = 0;
bit  cached = 0;		/* the paging-structure cache names the table */

#ifndef NO_WALKER
active proctype walker()
{
	byte walks = 0;
	bit entry;

	do
	:: walks < WALKS ->
		walks++;
		atomic { on -> interrupts_on = 0 };
		atomic { on -> entry = pmd };
		if
		:: entry -> atomic { on -> assert(!table_freed) }
		:: else
		fi;
		atomic { on -> interrupts_on = 1 }
	:: else -> break
	od
}
#endif

#ifndef FLUSH_BY_HYPERCALL
active proctype interrupt()
{
end:	do
	:: atomic { on && interrupts_on && ipi -> cached = 0; ipi = 0; acknowledged = 1 }
	od
}
#endif

active proctype hardware_walker()
{
end:	do
	:: atomic { on && pmd && !cached -> cached = 1 }
	:: atomic { on && cached -> assert(!table_freed) }
	od
}

active proctype host()
{
	byte preemptions = 0;

end:	do
	:: atomic { on && preemptions < PREEMPTIONS -> on = 0; preemptions++ }
	:: atomic {
		!on -> on = 1;
		cached = cached && !flush_on_entry;
		flush_on_entry = 0
	   }
	od
}

active proctype unmapper()
{
	pmd = 0;
#if defined(FLUSH_BY_HYPERCALL)
	cached = 0;
#elif defined(FLUSH_ON_ENTRY)
	if
	:: atomic { !on -> flush_on_entry = 1 }
	:: atomic { on -> ipi = 1 }; acknowledged
	fi;
#elif !defined(NO_FLUSH)
	ipi = 1;
	acknowledged;
#endif
	table_freed = 1
}
