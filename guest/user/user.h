/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that run in ring 3. Each is a kernel thread that goes there from user_run()
 * (enter.S) and comes back from it when it has ended; traps in between push
 * their frames below that call's. A thread ends by its exit, by an exception that
 * nothing can be done about, or because somebody kills it: never the kernel with it.
 */
#ifndef GUEST_USER_USER_H
#define GUEST_USER_USER_H

#include "guest/cpu/trap.h"
#include "guest/lib/types.h"

struct mm;
struct thread;
struct device_request;

#define USER_REPORTS 16u
#define USER_PINS    8u /* at a time, a thread */

enum user_end_reason {
	USER_RUNS,
	USER_EXITED, /* by system call */
	USER_FAULTED,
	USER_KILLED, /* by user_kill(), or because the parent ended first */
};

struct user_end {
	enum user_end_reason reason;
	u64 code;	   /* exit's argument */
	u64 vector, error; /* of the exception, and what follows too */
	u64 rip;
	u64 va;	    /* of a page fault */
	s64 status; /* what mm_fault() said to it: -EFAULT, -ENOMEM */
};

struct user_result {
	struct user_end end;
	u32 cpu;
	u32 reports; /* how many of the next are valid */
	u64 report[USER_REPORTS];
	u64 syscalls, faults;
};

/* One a user thread, in a page of its own. Fields without a remark are the thread's own. */
struct user {
	struct thread *thread;
	struct mm *mm;		 /* one user of it, until the thread ends */
	u64 kernel_rsp;		 /* where entries from ring 3 push */
	struct trap_frame start; /* the registers it begins with */
	u32 id;
	struct user *parent;		 /* NULL: the kernel started it */
	struct user *children, *sibling; /* not joined yet */
	bool killed;			 /* lock-free */
	bool ended;			 /* lock-free; `result` is final */
	struct device_request *pin[USER_PINS];
	struct user_result result;
};

/*
 * Starts a thread in `mm`, which gets one more user, on an online CPU: at `entry` with
 * `arg` in RDI and RSP = stack_top - 8. Nothing is checked: a wild entry ends the
 * thread. NULL: no memory. Thread context, as all that follow.
 */
struct user *user_create(const char *name, u32 cpu, struct mm *mm, u64 entry, u64 stack_top,
			 u64 arg);

/*
 * A child of `parent`, the calling thread, that goes on where `frame` is, with RAX = 0.
 * The caller's use of `mm` becomes the child's. NULL: no memory, or too many
 * threads; the use stays the caller's.
 */
struct user *user_fork(struct user *parent, u32 cpu, struct mm *mm, const struct trap_frame *frame);

/* Whether user_join() would return soon. The caller is the one who joins it. */
bool user_has_ended(const struct user *u);

/* Waits for its end and frees it. Exactly one caller, once a thread; a child is its parent's. */
void user_join(struct user *u, struct user_result *result);

/* Ends it and its children at their next way back to ring 3, which is now. Not once it is joined.
 */
void user_kill(struct user *u);

/* Ends the calling thread when it next would go to ring 3. The first reason counts. */
void user_end(struct user *u, const struct user_end *end);

/* From cpu/trap.c, interrupts off: after an entry from ring 3; its exceptions; before going back.
 */
void user_entered(void);
void user_trap(struct trap_frame *f);
void user_leaving(struct trap_frame *f);

/* From the scheduler, interrupts off: the CPU goes on with `to`. */
void user_on_switch(const struct thread *to);

#endif
