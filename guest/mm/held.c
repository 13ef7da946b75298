/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/mm/held.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/ring.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"

/* Posts that are put to the host together, if it sleeps; else, and in a wait, it takes what it
 * finds. */
#define SUBMIT_EVERY (HELD_BATCHES / 2)

struct batch {
	const struct mm *mm; /* to compare with; it may be gone */
	u64 start, end;
	u32 cpu; /* on whose ring */
	u64 ticket;
	u64 pages; /* 4 KiB pages */
	u32 frames;
	u32 frame[HELD_FRAMES];
};

/* Batches go in the order in which they came. A batch waits for its own ring only. */
static struct {
	bool posted; /* constant once munmap is called */
	struct mutex lock;
	u64 first, next; /* lock-free to read: the batches that are held, in `batch` cyclically */
	u64 pages;	 /* 4 KiB pages, of all batches */
	struct held_counters counters;
	struct batch batch[HELD_BATCHES];
} held;

bool held_set_munmap(const char *name)
{
	held.posted = !strcmp(name, "posted");
	return held.posted || !strcmp(name, "waited");
}

bool held_is_posted(void)
{
	return held.posted;
}

static struct batch *batch_at(u64 n)
{
	return &held.batch[n % HELD_BATCHES];
}

/* Frees what waits no longer. The number of the oldest batch that does. */
static u64 free_done(void)
{
	u64 n = mem_load(&held.first), next = mem_load(&held.next);

	for (; n != next; n++) {
		struct batch *b = batch_at(n);

		if (!ring_done(b->cpu, b->ticket))
			break;
		page_put_many(b->frame, b->frames);
		held.pages -= b->pages;
	}
	mem_store(&held.first, n);
	return n;
}

static bool has_room(u64 batches, u64 pages)
{
	if (batches < HELD_BATCHES && pages <= HELD_PAGES - held.pages)
		return true;
	held.counters.full++;
	return false;
}

static void count(u64 pages)
{
	held.pages += pages;
	held.counters.posted++;
	held.counters.pages += pages;
	held.counters.most = MAX(held.counters.most, held.pages);
}

bool held_post(const struct mm *mm, u64 start, u64 end, const struct flush_request *req,
	       const u32 *frame, u32 frames, u64 pages)
{
	u64 next;
	bool room;

	ASSERT(mutex_held(&mm->lock));
	if (!held.posted || !ring_available() || frames > HELD_FRAMES)
		return false;
	mutex_lock(&held.lock);
	next = mem_load(&held.next);
	room = has_room(next - free_done(), pages);
	if (room) {
		struct batch *b = batch_at(next);

		b->mm = mm;
		b->start = start;
		b->end = end;
		b->pages = pages;
		b->frames = frames;
		memcpy(b->frame, frame, frames * sizeof(*frame));
		b->cpu = cpu_id();
		b->ticket = ring_post(req);
		mem_store(&held.next, next + 1);
		count(pages);
	}
	mutex_unlock(&held.lock);
	if (room && (next + 1) % SUBMIT_EVERY == 0)
		ring_submit();
	return room;
}

static bool overlaps(const struct batch *b, const struct mm *mm, u64 start, u64 end)
{
	return b->mm == mm && b->start < end && start < b->end;
}

/* A batch of that range whose flush is not complete. With held.lock. */
static const struct batch *find(const struct mm *mm, u64 start, u64 end)
{
	u64 next = mem_load(&held.next);

	for (u64 n = mem_load(&held.first); n != next; n++) {
		const struct batch *b = batch_at(n);

		if (overlaps(b, mm, start, end) && !ring_done(b->cpu, b->ticket))
			return b;
	}
	return NULL;
}

/* A batch of `mm` is seen without the lock, for its post was under mm->lock, or ours. */
static bool is_empty(void)
{
	return mem_load(&held.first) == mem_load(&held.next);
}

bool held_overlap(const struct mm *mm, u64 start, u64 end, u64 *batch_end)
{
	const struct batch *b;

	if (is_empty())
		return false;
	mutex_lock(&held.lock);
	b = find(mm, start, end);
	if (b)
		*batch_end = b->end;
	mutex_unlock(&held.lock);
	return b;
}

/* What to wait for. */
static bool find_ticket(const struct mm *mm, u64 start, u64 end, u32 *cpu, u64 *ticket)
{
	const struct batch *b;

	mutex_lock(&held.lock);
	b = find(mm, start, end);
	if (b) {
		*cpu = b->cpu;
		*ticket = b->ticket;
		held.counters.waited++;
	}
	mutex_unlock(&held.lock);
	return b;
}

void held_wait(const struct mm *mm, u64 start, u64 end)
{
	u64 ticket;
	u32 cpu;

	if (is_empty())
		return;
	while (find_ticket(mm, start, end, &cpu, &ticket))
		ring_wait(cpu, ticket);
}

/* Frees what is done. True: batch `end - 1` is still held, and the oldest one waits for that. */
static bool oldest_before(u64 end, u32 *cpu, u64 *ticket)
{
	bool found;
	u64 oldest;

	mutex_lock(&held.lock);
	oldest = free_done();
	found = oldest < end;
	if (found) {
		*cpu = batch_at(oldest)->cpu;
		*ticket = batch_at(oldest)->ticket;
		held.counters.waited++;
	}
	mutex_unlock(&held.lock);
	return found;
}

bool held_drain(void)
{
	u64 first = mem_load(&held.first), end = mem_load(&held.next), ticket;
	u32 cpu;

	if (first == end)
		return false;
	while (oldest_before(end, &cpu, &ticket))
		ring_wait(cpu, ticket);
	return true;
}

void held_counters(struct held_counters *out)
{
	mutex_lock(&held.lock);
	*out = held.counters;
	mutex_unlock(&held.lock);
}
