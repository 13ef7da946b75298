/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel threads: preemptible, bound to one CPU for life, round robin on the
 * tick. While a CPU's tick is stopped its threads give way only by yielding,
 * blocking or ending.
 */
#ifndef GUEST_SCHED_THREAD_H
#define GUEST_SCHED_THREAD_H

#include "guest/cpu/percpu.h"
#include "guest/lib/types.h"

#define THREAD_STACK_SIZE 16384u
#define THREAD_NAME_MAX	  24

struct mm;   /* a user address space; kernel threads have none */
struct user; /* what a thread that goes to ring 3 has besides */

enum thread_state {
	THREAD_RUNNABLE, /* running or on the queue */
	THREAD_BLOCKED,
	THREAD_ENDED,
};

struct thread {
	u64 rsp; /* saved stack pointer while not running; sched/switch.S */
	struct cpu *cpu;
	struct thread *next; /* run queue */
	struct mm *mm;
	struct user *user;	    /* NULL: it is not in ring 3; user/user.h */
	enum thread_state state;    /* guarded by cpu->lock */
	bool wake_pending;	    /* guarded by cpu->lock */
	struct thread *joiner;	    /* guarded by cpu->lock */
	struct thread *next_waiter; /* guarded by the mutex it waits for; mutex.h */
	bool released;		    /* ended, and nobody else touches it any more */
	void (*fn)(void *arg);
	void *arg;
	char name[THREAD_NAME_MAX];
};

/* Makes a runnable thread on an online CPU. Never fails (panics without memory). */
struct thread *thread_create(const char *name, u32 cpu, void (*fn)(void *arg), void *arg);

/* The same; NULL: no memory. */
struct thread *thread_try_create(const char *name, u32 cpu, void (*fn)(void *arg), void *arg);

/* Waits until it has ended and frees it. Exactly one caller, once a thread. */
void thread_join(struct thread *t);

/* Lets the other runnable threads of this CPU go first. */
void thread_yield(void);

/*
 * Sleeps until a thread_wake(). A wake-up since the last thread_block() makes it
 * return at once, so none is lost; it may also return without reason: callers
 * loop on their condition. Not in interrupt handlers or with preemption disabled.
 */
void thread_block(void);

/*
 * Wakes a thread, or marks it so that its next thread_block() returns. Any
 * context but NMI. Earlier stores are visible to the woken thread. Sends
 * VECTOR_WAKE if the thread's CPU is halted; a busy one runs the thread at its
 * next switch.
 */
void thread_wake(struct thread *t);

static inline struct thread *thread_current(void)
{
	return __atomic_load_n(&this_cpu()->current, __ATOMIC_RELAXED);
}

/* Pairs nest. Interrupts still come; the thread stays on the CPU. */
void preempt_disable(void);
void preempt_enable(void);

/* A thread without a job, for `cpu`; an idle thread runs on its stack. */
struct thread *thread_alloc(const char *name, struct cpu *cpu);

/* Where its stack begins (16-byte aligned). */
u64 thread_stack_top(const struct thread *t);

/* Once a CPU, by that CPU: `idle` becomes its idle thread, on the stack in use. */
void sched_init_cpu(struct cpu *cpu, struct thread *idle);

/* The idle thread's loop: halts when nothing is runnable. */
_Noreturn void sched_idle(void);

/* End of an interrupt, interrupts off: switches if the tick or a wake-up asked for it. */
void sched_irq_exit(void);

/* The tick, in its interrupt handler. */
void sched_tick(void);

#endif
