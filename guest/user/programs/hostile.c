/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/user/programs/hostile.h"

static void (*const provoke[HOSTILE_COUNT])(void) = {
#define HOSTILE_ENTRY(fn, what, vectors, error) [HOSTILE_##fn] = do_##fn,
	HOSTILE_CASES(HOSTILE_ENTRY)
#undef HOSTILE_ENTRY
};

/* The argument: the case. */
_Noreturn void hostile(u64 which)
{
	if (which < HOSTILE_COUNT)
		provoke[which]();
	exit_with(which >= HOSTILE_COUNT);
}
