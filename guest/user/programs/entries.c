/* SPDX-License-Identifier: BSD-2-Clause */
/* The image begins with its table of entries. */
#include "guest/user/programs/program.h"

extern void (*const user_entries[PROGRAM_COUNT])(u64);

__attribute__((section(".entries"), used)) void (*const user_entries[PROGRAM_COUNT])(u64) = {
#define PROGRAM_ENTRY(id, fn) [PROGRAM_##id] = fn,
	USER_PROGRAMS(PROGRAM_ENTRY)
#undef PROGRAM_ENTRY
};
