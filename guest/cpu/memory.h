/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words that several CPUs touch without a common lock. guest/mm/ uses these and
 * nothing else for them, so that tests/sim/ can give the same code simulated
 * store buffers. What a lock guards is accessed plainly.
 *
 * x86-TSO (SDM vol. 3 §8.2): loads are not reordered with loads, stores not with
 * stores, loads not with later stores; only a load may run before an earlier
 * store to another word. The locked forms and mem_fence() drain the store buffer.
 */
#ifndef GUEST_CPU_MEMORY_H
#define GUEST_CPU_MEMORY_H

#define mem_load(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define mem_store(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

/* Locked instructions, full barriers. Each returns the old value, but for mem_add(). */
#define mem_fetch_add(p, v) __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST)
#define mem_add(p, v)	    __atomic_add_fetch(p, v, __ATOMIC_SEQ_CST) /* the new one */
#define mem_exchange(p, v)  __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define mem_fetch_or(p, v)  __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST)
#define mem_fetch_and(p, v) __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST)

/* True if *p was *expected and is `v` now; else *expected is what was found. */
#define mem_cas(p, expected, v) \
	__atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#define mem_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif
