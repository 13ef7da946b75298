/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Simulated RAM and its allocator, in the place of guest/mm/page.c: what is freed
 * last is given out first, at once. A frame's generation changes at each free.
 */
#ifndef SIM_FRAMES_H
#define SIM_FRAMES_H

#include "guest/mm/page.h"
#include "tests/sim/machine.h"

#define FRAMES	     2560u /* 10 MiB */
#define FRAMES_SMALL 1024u /* below: single pages and small blocks; above: blocks of order 9 */

struct sim_frame {
	u32 generation;
	u8 walked; /* bit c: CPU c may walk it as a table */
	bool touched, allocated;
};

extern u8 *frames_ram;
extern struct sim_frame frames[FRAMES];

void frames_init(void);	 /* once */
void frames_reset(void); /* for each schedule */

/* The frame in which `p` lies; 0 if it is not in RAM. */
static inline u32 frame_at(const volatile void *p)
{
	u64 offset = (u64)((const volatile u8 *)p - frames_ram);

	return offset < (u64)FRAMES * PAGE_SIZE ? (u32)(offset >> PAGE_SHIFT) : 0;
}

/* The frame whose struct page holds `p`; 0 if none does. */
u32 frames_page_at(const volatile void *p);

static inline u32 frame_generation(u32 frame)
{
	return frames[frame].generation;
}

static inline u8 frames_walked(u32 frame)
{
	return frames[frame].walked;
}

/* The n-th allocation from now on fails, and those after it; 0: none. */
void frames_fail_after(unsigned n);

/* At most so many frames more than now are in use from now on. */
void frames_leave(u64 n);

/* Frames in use. */
u64 frames_used(void);

/* Fails unless as many frames are in use as `used`, and no free one has a reference. */
void frames_census(u64 used);

#endif
