/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs as suites start them: without memory they panic. */
#ifndef GUEST_USER_LAUNCH_H
#define GUEST_USER_LAUNCH_H

#include "guest/user/abi.h"
#include "guest/user/user.h"

/* A new address space with the image in it; the use of it is the caller's. */
struct mm *launch_mm(void);

/* The `index`-th thread of `mm` (user_stack_map()) starts with that program on that CPU. */
struct user *launch(enum user_program program, struct mm *mm, u32 cpu, u32 index, u64 arg);

/* The same in an address space of its own. */
struct user *launch_alone(enum user_program program, u32 cpu, u64 arg);

/* Waits for its end; true if that was exit(0), else says what it was. */
bool launch_passed(const char *name, struct user *u);

/* Says how a program ended. */
void launch_describe(const char *name, const struct user_result *r);

/* Runs fn on every CPU, in a kernel thread, one CPU after the other. */
void run_everywhere(void (*fn)(void *arg));

void ticks_start(void);
void ticks_stop(void);

#endif
