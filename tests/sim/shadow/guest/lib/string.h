/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/lib/string.h: what is written into simulated RAM goes through the store buffer's end. */
#ifndef SIM_SHADOW_STRING_H
#define SIM_SHADOW_STRING_H

#include_next "guest/lib/string.h"

#include "tests/sim/access.h"

#define memset(dst, byte, n) sim_memset(dst, byte, n)
#define memcpy(dst, src, n)  sim_memcpy(dst, src, n)

#endif
