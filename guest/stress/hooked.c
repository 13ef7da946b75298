/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/stress/hooked.h"

#include "guest/cpu/irq.h"
#include "guest/cpu/memory.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/paging.h"
#include "guest/cpu/percpu.h"
#include "guest/lib/errno.h"
#include "guest/lib/string.h"
#include "guest/mm/fault.h"
#include "guest/mm/page.h"
#include "guest/mm/table.h"
#include "guest/mm/walk.h"
#include "guest/sched/thread.h"
#include "guest/stress/findings.h"
#include "guest/stress/pattern.h"

#define NEVER	 (-1u)	     /* a step */
#define MAX_PACE (1ul << 27) /* TSC ticks */
/* Changes, or time for so many; beyond that nobody can change anything before the walk ends. */
#define PATIENCE 8u

/* The steps of a walk of one small page. */
enum step {
	STEP_ROOT, /* its entry is loaded, and so on */
	STEP_TABLE3,
	STEP_TABLE2,
	STEP_LEAF,
	STEP_GET, /* before the reference */
	STEP_GOT,
	STEP_R1, /* before R2 */
};

static struct hook {
	_Alignas(CACHE_LINE) u64 random;
	u32 step, hold_at; /* of this walk */
	bool referenced;   /* the next entry is read for R1 */
	bool without_r1;
	pte_t last;
	bool holding; /* lock-free */
	struct hooked_counts count;
} hooks[GUEST_MAX_CPUS];

static bool holds;

/* Lock-free. */
static u32 progress; /* changes */
static u64 changed;  /* TSC at the last one */
static u64 pace;     /* TSC ticks between two, on average over some */

/* Half of the time until some changes are complete, half of the time into the midst of one. */
static void hold(struct hook *h)
{
	u32 seen = mem_load(&progress), polls = 0, changes = -1u;
	u64 start = rdtsc(), most;

	if (random_below(&h->random, 2)) {
		changes = 1 + random_below(&h->random, PATIENCE);
		most = PATIENCE * mem_load(&pace);
	} else {
		most = random_below(&h->random, 2 * (u32)mem_load(&pace) + 1);
	}
	mem_store(&h->holding, true);
	while (mem_load(&progress) - seen < changes && rdtsc() - start < most)
		cpu_poll(&polls);
	mem_store(&h->holding, false);
	h->count.held++;
	h->count.overtaken += mem_load(&progress) != seen;
}

static void step(struct hook *h)
{
	h->count.steps++;
	h->count.masked += !irq_enabled();
	if (h->step++ == h->hold_at)
		hold(h);
}

static pte_t hooked_read(const pte_t *slot)
{
	struct hook *h = &hooks[cpu_id()];
	pte_t e = pte_read(slot);

	if (h->referenced && h->without_r1)
		e = h->last;
	h->referenced = false;
	h->last = e;
	/* Walks that come to nothing are not held up: there is nothing to race for. */
	if (e & PTE_PRESENT)
		step(h);
	return e;
}

static bool beyond_memory(paddr_t pa)
{
	return pa >> PAGE_SHIFT >= page_array.count;
}

/* What is there is no table, and would be a fault to read: an entry that is not present. */
static pte_t *hooked_slot(paddr_t table, u64 va, unsigned level)
{
	static pte_t nothing;

	if (!beyond_memory(table))
		return table_slot(table, va, level);
	finding(FOUND_GARBAGE, va, 0, table);
	return &nothing;
}

static bool hooked_try_get(paddr_t page)
{
	struct hook *h = &hooks[cpu_id()];

	if (beyond_memory(page)) {
		finding(FOUND_GARBAGE, 0, 0, page);
		return false;
	}
	step(h);
	if (!page_try_get(page))
		return false;
	h->referenced = true;
	step(h);
	return true;
}

/* From here on the very source of mm/, on top of the hooks and under other names. */
#define pte_read	 hooked_read
#define table_slot	 hooked_slot
#define page_try_get	 hooked_try_get
#define gup_large	 hooked_large
#define gup_seq		 hooked_seq
#define gup_irqoff	 hooked_irqoff
#define gup_rcu		 hooked_rcu
#define gup_counter	 hooked_counter
#define gup_counter_xchg hooked_counter_xchg
#define gup_fast_only	 hooked_fast_only
#define gup_fast	 hooked_gup_fast
#define gup_unpin	 hooked_unpin
#define gup_slow_count	 hooked_slow_count
/* NOLINTBEGIN(bugprone-suspicious-include): the same code again, with the hooks. */
#include "guest/mm/gup.c"
#include "guest/mm/gup_guarded.c"
/* NOLINTEND(bugprone-suspicious-include) */

static u32 without_v(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages)
{
	return gup_walk(mm, start, count, flags, pages, GUP_R2);
}

static u32 without_r2(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages)
{
	return gup_walk(mm, start, count, flags, pages, GUP_V);
}

/* `first` to `last`: the steps after which one of the checks is due, or the one that is lacking. */
static const struct {
	const char *scheme; /* NULL: a control */
	u32 (*gup)(const struct mm *mm, u64 start, u32 count, unsigned flags, paddr_t *pages);
	bool without_r1;
	u32 first, last;
} forms[HOOKED_COUNT] = {
	[HOOKED_SEQ] = { "seq", hooked_seq, false, STEP_ROOT, STEP_R1 },
	[HOOKED_IRQOFF] = { "irqoff", hooked_irqoff, false, STEP_ROOT, STEP_R1 },
	[HOOKED_RCU] = { "rcu", hooked_rcu, false, STEP_ROOT, STEP_R1 },
	[HOOKED_COUNTER] = { "counter", hooked_counter, false, STEP_ROOT, STEP_R1 },
	[HOOKED_COUNTER_XCHG] = { "counter-xchg", hooked_counter_xchg, false, STEP_ROOT, STEP_R1 },
	[HOOKED_WITHOUT_V] = { NULL, without_v, false, STEP_ROOT, STEP_LEAF },
	[HOOKED_WITHOUT_R1] = { NULL, hooked_seq, true, STEP_LEAF, STEP_GET },
	[HOOKED_WITHOUT_R2] = { NULL, without_r2, false, STEP_GET, STEP_GET },
};

u32 hooked_walk(enum hooked_id id, struct mm *mm, u64 start, u32 count, unsigned flags,
		paddr_t *pages)
{
	struct hook *h = &hooks[cpu_id()];

	h->step = 0;
	h->hold_at = NEVER;
	if (holds)
		h->hold_at = forms[id].first +
			     random_below(&h->random, forms[id].last - forms[id].first + 1);
	h->referenced = false;
	h->without_r1 = forms[id].without_r1;
	h->count.walks++;
	return forms[id].gup(mm, start, count, flags, pages);
}

enum hooked_id hooked_scheme(const char *name)
{
	u32 i = 0;

	while (i < HOOKED_COUNT && (!forms[i].scheme || strcmp(forms[i].scheme, name)))
		i++;
	return (enum hooked_id)i;
}

void hooked_progress(void)
{
	u64 now = rdtsc(), since = now - mem_exchange(&changed, now);

	mem_add(&progress, 1);
	/* Two CPUs may come here at the same time: one sample more or less. */
	mem_store(&pace, (7 * mem_load(&pace) + MIN(since, MAX_PACE)) / 8);
}

bool hooked_holding(u32 cpu)
{
	return mem_load(&hooks[cpu].holding);
}

void hooked_counts(struct hooked_counts *sum)
{
	*sum = (struct hooked_counts){ 0 };
	for (u32 i = 0; i < cpu_count(); i++) {
		const struct hooked_counts *c = &hooks[i].count;

		sum->walks += c->walks;
		sum->held += c->held;
		sum->overtaken += c->overtaken;
		sum->steps += c->steps;
		sum->masked += c->masked;
	}
}

void hooked_start(void)
{
	mem_store(&changed, rdtsc());
}

void hooked_reset(u64 seed, bool hold)
{
	holds = hold;
	pace = 0;
	hooked_start();
	for (u32 i = 0; i < cpu_count(); i++)
		hooks[i] = (struct hook){ .random = seed * GUEST_MAX_CPUS + i };
}
