/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An address space under stress. It has an area for each of its threads: its keeper
 * changes what is mapped there, all of them use it. What must be found at an address
 * is told by words that the keeper stores around each change:
 *
 *   keeper                               others
 *   where = BUSY                         w = where, f = floor
 *   generation + 1                       pin a page, g = generation, write the stamp of g
 *   unmap, and have it flushed           read a stamp: of this area, at least of f
 *   floor = generation                   where == w: and the access must (not) have been possible
 *   map; where = new
 *
 * Who pins a page after the unmap sees the new generation; who sees the new floor began to read
 * after the unmap.
 */
#ifndef GUEST_STRESS_PROCESS_H
#define GUEST_STRESS_PROCESS_H

#include "guest/mm/mm.h"
#include "guest/stress/pattern.h"

#define AREAS	   8u  /* at most */
#define AREA_PAGES 16u /* that are used, of the 512 of an area */

#define WHERE_HOME     3ul /* 1 or 2: the home it is mapped at; 0: it is not */
#define WHERE_BUSY     4ul
#define WHERE_READONLY 8ul
#define WHERE_COUNT    16ul /* changes, from here on */

/* Words of a page. */
#define WORD_STAMP   0u /* anybody's */
#define WORD_KEEPER  1u /* what the keeper knows; also the page's last one */
#define WORD_LAST    511u
#define WORD_SCRATCH 2u /* anything, from whoever may write */

struct area {
	u64 where;		    /* lock-free */
	u32 generation[AREA_PAGES]; /* lock-free */
	u32 floor[AREA_PAGES];	    /* lock-free */
	u64 exact[AREA_PAGES];	    /* WORD_KEEPER; the keeper's own */
	u32 watchers;		    /* lock-free: threads that wait for a change of `where` */
};

struct process {
	struct mm *mm; /* one user is whoever opened it */
	u32 owner;
	u32 areas;
	u32 forks;   /* lock-free */
	u32 pinners; /* lock-free: threads that hold a page and wait for a fork */
	struct area area[AREAS];
};

struct process *process_open(u32 owner, u32 areas);
void process_close(struct process *p);

/* Of page `page` of an area at that home, 1 or 2. Level-3 and level-2 tables serve several areas.
 */
static inline u64 area_va(u32 area, u64 home, u32 page)
{
	return (1ul << 39) + (home - 1) * (1ul << 31) + area / 2 * (1ul << 30) +
	       area % 2 * LARGE_PAGE_SIZE + page * PAGE_SIZE;
}

/* The number of a page in its stamps. */
static inline u32 area_page(u32 area, u32 page)
{
	return area * AREA_PAGES + page;
}

#endif
