/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz.h"

#include <sanitizer/asan_interface.h>

#define GUARD 65536u

static _Alignas(4096) uint8_t arena[GUARD + RAM_MAX + GUARD];

void ram_shape(struct gmem *gm, size_t low, size_t high)
{
	size_t bytes = low + high;

	*gm = (struct gmem){ .base = arena + GUARD, .low = low, .high = high };
	ASAN_UNPOISON_MEMORY_REGION(gm->base, bytes);
	memset(gm->base, 0, bytes);
	ASAN_POISON_MEMORY_REGION(arena, GUARD);
	ASAN_POISON_MEMORY_REGION(gm->base + bytes, RAM_MAX - bytes + GUARD);
}

uint64_t take_gpa(struct input *in, const struct gmem *gm)
{
	const uint64_t near[] = { 0,
				  0x1000,
				  gm->low / 2,
				  gm->low,
				  GMEM_HOLE_START,
				  GMEM_HOLE_END,
				  GMEM_HOLE_END + gm->high / 2,
				  GMEM_HOLE_END + gm->high };
	uint8_t which = take8(in);

	if (which == UINT8_MAX)
		return take64(in);
	return near[which % (sizeof(near) / sizeof(near[0]))] + (uint64_t)(int16_t)take16(in);
}

void take_patch(struct input *in, const struct gmem *gm, uint64_t gpa)
{
	uint8_t bytes[UINT8_MAX];
	size_t n = take8(in);

	take(in, bytes, n);
	gmem_write(gm, gpa, bytes, n);
}
