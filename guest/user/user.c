/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/user/user.h"

#include "guest/cpu/apic.h"
#include "guest/cpu/memory.h"
#include "guest/cpu/panic.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/print.h"
#include "guest/mm/fault.h"
#include "guest/mm/mm.h"
#include "guest/mm/page.h"
#include "guest/mm/switch.h"
#include "guest/mm/walk.h"
#include "guest/sched/thread.h"
#include "guest/user/device.h"
#include "guest/user/syscall.h"

/* RFLAGS.IF and the bit that is always set; IOPL 0: no I/O, no CLI in ring 3. */
#define USER_RFLAGS (RFLAGS_IF | 2u)

/* Forks are refused from so many threads on, or thereabouts: memory is not for one program alone.
 */
#define MAX_THREADS (64u + 16u * cpu_count())

_Static_assert(sizeof(struct user) <= PAGE_SIZE, "one page each");

void user_run(const struct trap_frame *frame, u64 *kernel_rsp);
_Noreturn void user_leave(u64 kernel_rsp);

/* All words lock-free. */
static struct {
	u32 threads;
	u32 last_id;
} users;

static struct user *current_user(void)
{
	return thread_current()->user;
}

void user_on_switch(const struct thread *to)
{
	if (to->user)
		trap_set_stack(to->user->kernel_rsp);
}

void user_end(struct user *u, const struct user_end *end)
{
	if (u->result.end.reason == USER_RUNS)
		u->result.end = *end;
}

void user_entered(void)
{
	walk_rest_end();
}

static void end_by_exception(struct user *u, const struct trap_frame *f, u64 va, s64 status)
{
	user_end(u, &(struct user_end){ .reason = USER_FAULTED,
					.vector = f->vector,
					.error = f->error,
					.rip = f->rip,
					.va = va,
					.status = status });
}

static unsigned access_of(u64 error)
{
	if (error & PF_WRITE)
		return ACCESS_WRITE;
	return error & PF_FETCH ? ACCESS_EXEC : ACCESS_READ;
}

static void page_fault(struct user *u, struct trap_frame *f)
{
	u64 va = read_cr2(); /* before interrupts are enabled: another thread's fault changes it */
	s64 status;

	if (f->error & PF_RESERVED)
		panic_at(f, "a table for %#llx has a reserved bit set", (unsigned long long)va);
	u->result.faults++;
	irq_enable();
	status = mm_fault(u->mm, va, access_of(f->error));
	irq_disable();
	if (status)
		end_by_exception(u, f, va, status);
}

void user_trap(struct trap_frame *f)
{
	struct user *u = current_user();

	switch (f->vector) {
	case VECTOR_SYSCALL:
		u->result.syscalls++;
		irq_enable();
		f->rax = (u64)syscall_dispatch(u, f);
		irq_disable();
		break;
	case TRAP_PF:
		page_fault(u, f);
		break;
	default:
		end_by_exception(u, f, 0, 0);
	}
}

/* Why it must not go to ring 3 with this frame, if so, is in u->result.end. */
static bool may_leave(struct user *u, struct trap_frame *f)
{
	if (mem_load(&u->killed))
		user_end(u, &(struct user_end){ .reason = USER_KILLED, .rip = f->rip });
	/* IRETQ would raise #GP in ring 0. An INT at the very end of the lower half leads here. */
	if (f->rip >= USER_END) {
		f->vector = TRAP_GP;
		f->error = 0;
		end_by_exception(u, f, 0, 0);
	}
	return u->result.end.reason == USER_RUNS;
}

void user_leaving(struct trap_frame *f)
{
	struct user *u = current_user();

	if (!may_leave(u, f))
		user_leave(u->kernel_rsp);
	walk_rest();
}

static void kill_and_join_children(struct user *u)
{
	struct user_result unused;

	for (struct user *c = u->children; c; c = c->sibling)
		user_kill(c);
	while (u->children) {
		struct user *c = u->children;

		u->children = c->sibling;
		user_join(c, &unused);
	}
}

/* What the thread leaves. The pins last: their pages outlive the address space. */
static void clean_up(struct user *u)
{
	kill_and_join_children(u);
	mm_disuse();
	mm_put(u->mm);
	for (u32 i = 0; i < USER_PINS; i++) {
		if (u->pin[i])
			device_release(u->pin[i]);
	}
}

static void user_main(void *arg)
{
	struct user *u = arg;
	struct thread *self = thread_current();

	mem_store(&u->thread, self);
	mm_use(u->mm);
	irq_disable();
	self->user = u;
	if (may_leave(u, &u->start)) {
		walk_rest();
		user_run(&u->start, &u->kernel_rsp);
	}
	self->user = NULL;
	irq_enable();
	clean_up(u);
	u->result.cpu = cpu_id();
	mem_add(&users.threads, -1u);
	/* Pairs with user_has_ended(). The parent is there until it has joined this thread. */
	mem_store(&u->ended, true);
	if (u->parent)
		thread_wake(u->parent->thread);
}

/* With one more user of `mm` that is the thread's; NULL: as it was. */
static struct user *start(const char *name, u32 cpu, struct mm *mm, const struct trap_frame *frame,
			  struct user *parent)
{
	paddr_t page = page_alloc_zeroed();
	struct user *u;
	struct thread *t;

	if (page == PADDR_NONE)
		return NULL;
	u = phys_to_virt(page);
	u->mm = mm;
	u->start = *frame;
	u->parent = parent;
	u->id = mem_add(&users.last_id, 1);
	mem_add(&users.threads, 1);
	t = thread_try_create(name, cpu, user_main, u);
	if (!t) {
		mem_add(&users.threads, -1u);
		page_free(page);
		return NULL;
	}
	mem_store(&u->thread, t);
	return u;
}

struct user *user_create(const char *name, u32 cpu, struct mm *mm, u64 entry, u64 stack_top,
			 u64 arg)
{
	const struct trap_frame frame = {
		.rdi = arg,
		.rip = entry,
		.cs = SEL_USER_CODE,
		.rflags = USER_RFLAGS,
		.rsp = stack_top - 8, /* as a call leaves it */
		.ss = SEL_USER_DATA,
	};
	struct user *u;

	mm_get(mm);
	u = start(name, cpu, mm, &frame, NULL);
	if (!u)
		mm_put(mm);
	return u;
}

struct user *user_fork(struct user *parent, u32 cpu, struct mm *mm, const struct trap_frame *frame)
{
	struct trap_frame child_frame = *frame;
	struct user *child;

	if (mem_load(&users.threads) >= MAX_THREADS)
		return NULL;
	child_frame.rax = 0;
	child = start("fork", cpu, mm, &child_frame, parent);
	if (!child)
		return NULL;
	child->sibling = parent->children;
	parent->children = child;
	return child;
}

bool user_has_ended(const struct user *u)
{
	return mem_load(&u->ended);
}

void user_join(struct user *u, struct user_result *result)
{
	thread_join(u->thread);
	*result = u->result;
	page_free(virt_to_phys(u));
}

/*
 * The flag, then the wake-up and the IPI; the thread looks at the flag with
 * interrupts off before it goes to ring 3, and in each loop in which it
 * blocks. So either it sees the flag or the IPI brings it back.
 */
void user_kill(struct user *u)
{
	mem_store(&u->killed, true);
	thread_wake(u->thread);
	if (u->thread->cpu != this_cpu())
		apic_send(u->thread->cpu->id, VECTOR_WAKE);
}
