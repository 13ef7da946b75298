/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "guest/cpu/memory.h"
#include "guest/mm/exit.h"
#include "guest/mm/fault.h"
#include "guest/mm/switch.h"
#include "guest/mm/walk.h"
#include "tests/sim/frames.h"
#include "tests/sim/scenario.h"
#include "tests/sim/schedule.h"

#define WALK_STEPS 16u /* of a walk to one page, about */

u64 scene_word[8];

static struct mm *held[SIM_MMS];
static unsigned holds;

void scene_begin(void)
{
	holds = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(scene_word); i++)
		scene_word[i] = 0;
}

void scene_end(void)
{
	while (holds)
		mm_put(held[--holds]);
}

struct mm *scene_mm(const char *name)
{
	struct mm *mm = mm_create();

	EXPECT(mm);
	oracle_add_mm(mm, name);
	held[holds++] = mm;
	return mm;
}

void scene_map(struct mm *mm, u64 va, u32 pages, unsigned prot)
{
	EXPECT(mm_map(mm, va, pages * PAGE_SIZE, prot, 0) == (s64)va);
}

u32 scene_touch(struct mm *mm, u64 va, u64 content)
{
	paddr_t page = PADDR_NONE;

	mm_lock(mm);
	EXPECT(fault_locked(mm, va, ACCESS_WRITE, &page) == 0);
	mm_unlock(mm);
	*(u64 *)sim_phys_to_virt(page) = content;
	return (u32)(page >> PAGE_SHIFT);
}

u64 scene_content(struct mm *mm, u64 va)
{
	paddr_t page = PADDR_NONE;
	int r;

	mm_lock(mm);
	r = fault_locked(mm, va, ACCESS_READ, &page);
	mm_unlock(mm);
	return r ? ~0ul : mem_load((u64 *)sim_phys_to_virt(page));
}

/* The body and the leave of a thread, which has no other place to keep them. */
static struct {
	void (*body)(void *arg);
	void *arg;
} life[SIM_THREADS];

static void live(void *arg)
{
	unsigned i = (unsigned)(u64)arg;
	struct thread *self = &sim.thread[i].guest;
	struct mm *mm;

	life[i].body(life[i].arg);
	mm = self->mm;
	if (!mm)
		return;
	mm_disuse();
	mm_put(mm);
}

struct sim_thread *scene_thread(unsigned cpu, const char *name, struct mm *mm,
				void (*body)(void *arg), void *arg)
{
	unsigned i = sim.threads;
	struct sim_thread *t = threads_add(name, cpu, live, (void *)(u64)i);

	life[i].body = body;
	life[i].arg = arg;
	if (mm)
		mm_get(mm);
	t->guest.mm = mm;
	return t;
}

void scene_release(struct mm *mm)
{
	for (unsigned i = 0; i < holds; i++)
		if (held[i] == mm)
			held[i] = held[--holds];
	mem_add(&mm->users, -1u);
}

u32 scene_gup_only(struct mm *mm, u64 va, u32 count, unsigned flags, paddr_t *pages)
{
	struct sim_thread *t = sim_thread();
	bool seq = walk_scheme->gup == gup_seq;
	u32 n;

	watch_begin(mm, va, count, flags);
	t->walk = seq ? SIM_WALK_SEQ : SIM_WALK_PROTECTED;
	schedule_focus(count * WALK_STEPS);
	n = gup_fast_only(mm, va, count, flags, pages);
	t->walk = SIM_WALK_LOCKED;
	if (seq)
		watch_lock_free(n);
	watch_end(pages, n);
	return n;
}

s64 scene_gup(struct mm *mm, u64 va, u32 count, unsigned flags, paddr_t *pages)
{
	struct sim_thread *t = sim_thread();
	s64 n;

	watch_begin(mm, va, count, flags);
	t->walk = walk_scheme->gup == gup_seq ? SIM_WALK_SEQ : SIM_WALK_PROTECTED;
	schedule_focus(count * WALK_STEPS);
	n = gup_fast(mm, va, count, flags, pages);
	t->walk = SIM_WALK_LOCKED;
	watch_end(pages, n < 0 ? 0 : (u32)n);
	return n;
}

void scene_reuse(unsigned pages, paddr_t bait)
{
	paddr_t taken[8];
	u64 beyond = (u64)FRAMES * PAGE_SIZE * 16;

	EXPECT(pages <= ARRAY_SIZE(taken));
	for (unsigned i = 0; i < pages; i++) {
		taken[i] = page_alloc();
		EXPECT(taken[i] != PADDR_NONE);
	}
	for (unsigned i = 0; i < pages; i++) {
		u64 *word = sim_phys_to_virt(taken[i]);
		u64 e = (sim_choose(2) ? beyond : bait) | PTE_PRESENT | PTE_USER | PTE_WRITE;

		sim_step();
		for (unsigned j = 0; j < PT_ENTRIES; j++)
			word[j] = e;
	}
	for (unsigned i = 0; i < pages; i++)
		page_put(taken[i]);
}

static bool user_access(u64 va, bool write, u64 *value)
{
	struct sim_thread *t = sim_thread();
	u64 *word;
	u32 frame;

	for (;;) {
		sim_step();
		frame = tlb_translate(t->cpu, va, write);
		if (frame)
			break;
		if (sim.logging)
			timeline_add(sim.self, "page fault at %#lx", va);
		if (mm_fault(t->guest.mm, va, write ? ACCESS_WRITE : ACCESS_READ))
			return false;
	}
	word = (u64 *)sim_phys_to_virt((u64)frame << PAGE_SHIFT) + va % PAGE_SIZE / sizeof(u64);
	if (write)
		memory_store(t->cpu, word, *value);
	else
		*value = memory_load(t->cpu, word);
	return true;
}

bool user_store(u64 va, u64 value)
{
	return user_access(va, true, &value);
}

bool user_load(u64 va, u64 *value)
{
	return user_access(va, false, value);
}

u64 frame_load(u32 frame)
{
	return mem_load((u64 *)sim_phys_to_virt((u64)frame << PAGE_SHIFT));
}

void frame_store(u32 frame, u64 value)
{
	mem_store((u64 *)sim_phys_to_virt((u64)frame << PAGE_SHIFT), value);
}
