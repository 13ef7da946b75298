/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first thing that must hold, and safe to try with a flush that does nothing: the old
 * page is pinned while the other CPU may still read it, so nobody else has it.
 */
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/map.h"
#include "guest/mm/gup.h"
#include "guest/mm/switch.h"
#include "guest/selftest/crew.h"
#include "guest/selftest/selftest.h"
#include "guest/stress/pattern.h"
#include "guest/stress/stress.h"

#define READER 1u /* CPU */

static u64 enter(void *arg)
{
	mm_use(arg);
	return 0;
}

static u64 go_lazy(void *arg)
{
	(void)arg;
	mm_disuse();
	return 0;
}

static u64 read_word(void *arg)
{
	u64 v = 0;

	return try_read64(arg, &v) ? 0 : v;
}

static paddr_t pin_stamped(struct mm *mm, u32 generation)
{
	paddr_t pa;

	if (gup_fast(mm, SELFTEST_VA, 1, GUP_WRITE, &pa) != 1)
		panic("translations: no memory");
	mem_store(page_words(pa), stamp(1, 0, generation));
	return pa;
}

static u64 read_after_flush(struct mm *mm, u64 rounds)
{
	paddr_t old = pin_stamped(mm, 1), new;
	u64 stale = 0;

	for (u32 g = 2; g < rounds + 2; g++) {
		crew_ask(READER, read_word, (void *)SELFTEST_VA);
		if (mm_dontneed(mm, SELFTEST_VA, PAGE_SIZE))
			panic("translations: the page cannot be dropped");
		new = pin_stamped(mm, g);
		stale += crew_ask(READER, read_word, (void *)SELFTEST_VA) != stamp(1, 0, g);
		gup_unpin(&old, 1);
		old = new;
	}
	gup_unpin(&old, 1);
	return stale;
}

void stress_translations(const struct stress *s)
{
	struct mm *mm;

	if (cpu_count() < 2) {
		ktap_skip("translations: they need 2 CPUs");
		return;
	}
	mm = selftest_make_mm(1);
	crew_start();
	crew_ask(READER, enter, mm);
	selftest_stale(read_after_flush(mm, s->rounds), s->rounds,
		       "reads of a page that was dropped");
	crew_ask(READER, go_lazy, NULL);
	selftest_stale(read_after_flush(mm, s->rounds), s->rounds, "the same by a lazy CPU");
	crew_stop();
	mm_put(mm);
}
