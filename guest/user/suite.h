/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of the suite "user"; each leaves no program, no address space and no tick behind. */
#ifndef GUEST_USER_SUITE_H
#define GUEST_USER_SUITE_H

#include "guest/lib/types.h"

/* Whether the flush backend is one that does not flush. */
bool suite_is_control(void);

/* Programs that keep to what they may do, and check what they get. `rounds` scales the work. */
void check_touch(u64 rounds);
void check_churn(u64 rounds);
void check_relay(u64 rounds);
void check_forks(u64 rounds);
void check_pins(u64 rounds);

/* Programs that do not. */
void check_hostile(u64 rounds);
void check_fuzz(u64 rounds);
void check_kill(u64 rounds);
void check_memory(u64 rounds);

/* Programs that never enter the kernel by themselves, on all CPUs but this; then a panic. */
_Noreturn void panic_among_programs(void);

#endif
