/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/apic.h"
#include "guest/cpu/irq.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/exit.h"
#include "guest/mm/page.h"
#include "guest/mm/switch.h"
#include "guest/mm/walk.h"
#include "guest/sched/thread.h"
#include "guest/user/user.h"

#define STACK_ORDER 2u
_Static_assert(THREAD_STACK_SIZE == PAGE_SIZE << STACK_ORDER, "a block of pages");

#define SWITCH_FRAME_WORDS 7 /* six registers and the return address; sched/switch.S */

extern const char thread_first[];
void thread_switch(u64 *save_rsp, u64 load_rsp);
void thread_main(void);

/* All queue functions: cpu->lock held. */
static void enqueue(struct cpu *cpu, struct thread *t)
{
	t->next = NULL;
	if (cpu->queue_head)
		cpu->queue_tail->next = t;
	else
		__atomic_store_n(&cpu->queue_head, t, __ATOMIC_RELAXED);
	cpu->queue_tail = t;
}

static struct thread *dequeue(struct cpu *cpu)
{
	struct thread *t = cpu->queue_head;

	if (t)
		__atomic_store_n(&cpu->queue_head, t->next, __ATOMIC_RELAXED);
	return t;
}

/*
 * After a switch, on the new thread's stack, with the lock that its predecessor
 * took. A thread that has ended is off its stack only now.
 */
static void finish_switch(void)
{
	struct cpu *cpu = this_cpu();
	struct thread *from = cpu->switched_from;
	bool ended = from->state == THREAD_ENDED;
	struct thread *joiner = from->joiner;

	spin_unlock(&cpu->lock);
	exit_wake_reaper();
	if (!ended)
		return;
	if (joiner)
		thread_wake(joiner);
	/* Pairs with thread_join(): the last access to `from`, and to a joiner that waits for it.
	 */
	__atomic_store_n(&from->released, true, __ATOMIC_RELEASE);
}

/* Gives the CPU to the next runnable thread. Interrupts off, cpu->lock held; unlocks. */
static void schedule_locked(struct cpu *cpu)
{
	struct thread *from = cpu->current, *to;

	ASSERT(cpu->preempt_count == 0);
	cpu->need_resched = false;
	if (from->state == THREAD_RUNNABLE && from != cpu->idle)
		enqueue(cpu, from);
	to = dequeue(cpu);
	if (!to)
		to = cpu->idle;
	mm_switch(to->mm); /* also if it is the same thread: readers of rcu count every pass */
	if (to == from) {
		spin_unlock(&cpu->lock);
		return;
	}
	cpu->switches++;
	cpu->switched_from = from;
	__atomic_store_n(&cpu->current, to, __ATOMIC_RELAXED);
	user_on_switch(to);
	thread_switch(&from->rsp, to->rsp);
	finish_switch();
}

static void reschedule(void)
{
	bool was = irq_save();
	struct cpu *cpu = this_cpu();

	spin_lock(&cpu->lock);
	schedule_locked(cpu);
	irq_restore(was);
}

void thread_yield(void)
{
	reschedule();
}

/* First C code of every created thread. */
void thread_main(void)
{
	struct thread *self;

	finish_switch();
	irq_enable();
	self = thread_current();
	self->fn(self->arg);

	irq_disable();
	spin_lock(&self->cpu->lock);
	self->state = THREAD_ENDED;
	schedule_locked(self->cpu);
	panic("thread %s runs after its end", self->name);
}

/* At the bottom of its own stack. NULL: no memory. */
static struct thread *try_alloc(const char *name, struct cpu *cpu)
{
	paddr_t stack = page_alloc_order(STACK_ORDER);
	struct thread *t = phys_to_virt(stack);

	if (stack == PADDR_NONE)
		return NULL;
	memset(t, 0, THREAD_STACK_SIZE);
	t->cpu = cpu;
	strlcpy(t->name, name, sizeof(t->name));
	return t;
}

struct thread *thread_alloc(const char *name, struct cpu *cpu)
{
	struct thread *t = try_alloc(name, cpu);

	if (!t)
		panic("no memory for thread %s", name);
	return t;
}

u64 thread_stack_top(const struct thread *t)
{
	return (u64)t + THREAD_STACK_SIZE;
}

/* Makes a runnable thread known to its CPU. Its lock is held. True: the CPU needs an IPI. */
static bool make_runnable(struct thread *t)
{
	struct cpu *cpu = t->cpu;
	bool halted = cpu->halted;

	t->state = THREAD_RUNNABLE;
	enqueue(cpu, t);
	cpu->halted = false;
	return halted;
}

/* Interrupts off: no switch may delay the IPI, for other wakers count on it. */
static void wake_cpu(struct cpu *cpu)
{
	if (cpu == this_cpu())
		return; /* in an interrupt: the idle thread looks again when it returns */
	apic_send(cpu->id, VECTOR_WAKE);
	__atomic_add_fetch(&this_cpu()->wake_ipis, 1, __ATOMIC_RELAXED);
}

static void start(struct thread *t, void (*fn)(void *arg), void *arg)
{
	u64 *stack = (u64 *)thread_stack_top(t) - SWITCH_FRAME_WORDS;
	struct cpu *cpu = t->cpu;
	bool was, ipi;

	t->fn = fn;
	t->arg = arg;
	stack[SWITCH_FRAME_WORDS - 1] = (u64)thread_first;
	t->rsp = (u64)stack;
	was = spin_lock_irq(&cpu->lock);
	ipi = make_runnable(t);
	spin_unlock(&cpu->lock);
	if (ipi)
		wake_cpu(cpu);
	irq_restore(was);
}

struct thread *thread_try_create(const char *name, u32 cpu, void (*fn)(void *arg), void *arg)
{
	struct thread *t = try_alloc(name, cpu_by_id(cpu));

	if (t)
		start(t, fn, arg);
	return t;
}

struct thread *thread_create(const char *name, u32 cpu, void (*fn)(void *arg), void *arg)
{
	struct thread *t = thread_alloc(name, cpu_by_id(cpu));

	start(t, fn, arg);
	return t;
}

void thread_join(struct thread *t)
{
	for (;;) {
		bool was = spin_lock_irq(&t->cpu->lock);
		bool ended = t->state == THREAD_ENDED;

		t->joiner = thread_current();
		spin_unlock_irq(&t->cpu->lock, was);
		if (ended)
			break;
		thread_block();
	}
	while (!__atomic_load_n(&t->released, __ATOMIC_ACQUIRE))
		cpu_pause();
	kfree(t, THREAD_STACK_SIZE);
}

void thread_block(void)
{
	struct thread *self = thread_current();
	struct cpu *cpu = this_cpu();
	bool was = spin_lock_irq(&cpu->lock);

	if (self->wake_pending) {
		self->wake_pending = false;
		spin_unlock_irq(&cpu->lock, was);
		return;
	}
	self->state = THREAD_BLOCKED;
	schedule_locked(cpu);
	irq_restore(was);
}

void thread_wake(struct thread *t)
{
	struct cpu *cpu = t->cpu;
	bool was = spin_lock_irq(&cpu->lock), ipi = false;

	if (t->state == THREAD_BLOCKED)
		ipi = make_runnable(t);
	else
		t->wake_pending = true;
	spin_unlock(&cpu->lock);
	if (ipi)
		wake_cpu(cpu);
	irq_restore(was);
}

void preempt_disable(void)
{
	struct cpu *cpu = this_cpu();

	__atomic_store_n(&cpu->preempt_count, cpu->preempt_count + 1, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void preempt_enable(void)
{
	struct cpu *cpu = this_cpu();

	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&cpu->preempt_count, cpu->preempt_count - 1, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (cpu->preempt_count == 0 && __atomic_load_n(&cpu->need_resched, __ATOMIC_RELAXED) &&
	    irq_enabled())
		reschedule();
}

/* Whether anybody waits or not: a thread that is alone must not hold rcu up either. */
void sched_tick(void)
{
	this_cpu()->need_resched = true;
}

void sched_irq_exit(void)
{
	struct cpu *cpu = this_cpu();

	if (cpu->need_resched && cpu->preempt_count == 0)
		reschedule();
}

static void wake_arrived(struct trap_frame *frame)
{
	(void)frame; /* it has ended the HLT: sched_idle() looks at the queue */
}

void sched_init_cpu(struct cpu *cpu, struct thread *idle)
{
	if (cpu->id == 0)
		irq_register(VECTOR_WAKE, wake_arrived);
	cpu->idle = idle;
	cpu->current = idle;
}

/*
 * `halted` is set under the lock when the queue is empty, with interrupts off until
 * the HLT; a waker puts its thread on the queue under the same lock, and then either
 * sees it set and sends the IPI that ends the HLT, or this loop sees the thread.
 * A CPU that is going to sleep for it knows not how long keeps nobody's root.
 */
void sched_idle(void)
{
	struct cpu *cpu = this_cpu();

	for (;;) {
		irq_disable();
		if (!__atomic_load_n(&cpu->queue_head, __ATOMIC_RELAXED))
			exit_leave_root(); /* may wake the reaper, on this CPU */
		spin_lock(&cpu->lock);
		cpu->halted = cpu->queue_head == NULL;
		if (cpu->halted) {
			spin_unlock(&cpu->lock);
			walk_rest();
			irq_enable_and_halt();
		} else {
			schedule_locked(cpu);
			irq_enable();
		}
	}
}
