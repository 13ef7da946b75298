/* SPDX-License-Identifier: BSD-2-Clause */
/* System calls (abi.h). */
#ifndef GUEST_USER_SYSCALL_H
#define GUEST_USER_SYSCALL_H

#include "guest/cpu/trap.h"
#include "guest/user/user.h"

/*
 * Carries out the call that the frame holds; the result is for RAX. All it
 * holds is the program's choice. Thread context, interrupts on.
 */
s64 syscall_dispatch(struct user *u, const struct trap_frame *f);

#endif
