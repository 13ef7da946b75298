/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/user/device.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/paging.h"
#include "guest/lib/print.h"
#include "guest/mm/gup.h"
#include "guest/mm/page.h"
#include "guest/sched/spinlock.h"
#include "guest/sched/thread.h"

#define WORDS (PAGE_SIZE / sizeof(u64))

_Static_assert(sizeof(struct device_request) <= PAGE_SIZE, "one page each");

static struct {
	struct thread *thread; /* NULL: not running */
	struct spinlock lock;
	bool stop;
	struct device_request *first, *last; /* not taken yet */
} device;

static void put(struct device_request *r)
{
	if (mem_add(&r->refs, -1u) == 0)
		page_free(virt_to_phys(r));
}

static void access_page(struct device_request *r, u32 index)
{
	volatile u64 *word = phys_to_virt(r->page[index]);

	for (u64 i = 0; i < WORDS; i++) {
		if (r->write)
			word[i] = r->pattern + index * WORDS + i;
		else
			r->sum += word[i];
	}
}

static void serve(struct device_request *r)
{
	bool was;

	for (u32 i = 0; i < r->pages; i++) {
		access_page(r, i);
		thread_yield(); /* slowly: others go on meanwhile */
	}
	gup_unpin(r->page, r->pages);
	was = spin_lock_irq(&device.lock);
	r->done = true;
	if (r->waiter)
		thread_wake(r->waiter);
	spin_unlock_irq(&device.lock, was);
	put(r);
}

/* The next request; NULL with *stop set: there will be none. */
static struct device_request *take(bool *stop)
{
	bool was = spin_lock_irq(&device.lock);
	struct device_request *r = device.first;

	if (r)
		device.first = r->next;
	*stop = device.stop && !r;
	spin_unlock_irq(&device.lock, was);
	return r;
}

static void device_main(void *arg)
{
	bool stop = false;

	(void)arg;
	while (!stop) {
		struct device_request *r = take(&stop);

		if (r)
			serve(r);
		else if (!stop)
			thread_block();
	}
}

void device_start(u32 cpu)
{
	ASSERT(!device.thread && !device.first);
	device.stop = false;
	device.thread = thread_create("device", cpu, device_main, NULL);
}

void device_stop(void)
{
	bool was = spin_lock_irq(&device.lock);

	device.stop = true;
	spin_unlock_irq(&device.lock, was);
	thread_wake(device.thread);
	thread_join(device.thread);
	device.thread = NULL;
}

bool device_running(void)
{
	return device.thread;
}

struct device_request *device_request(void)
{
	paddr_t page = page_alloc_zeroed();
	struct device_request *r = page == PADDR_NONE ? NULL : phys_to_virt(page);

	if (r)
		r->refs = 1;
	return r;
}

void device_discard(struct device_request *r)
{
	put(r);
}

void device_submit(struct device_request *r, struct thread *waiter)
{
	bool was;

	mem_add(&r->refs, 1);
	r->late = false;
	was = spin_lock_irq(&device.lock);
	r->waiter = waiter;
	if (device.first)
		device.last->next = r;
	else
		device.first = r;
	device.last = r;
	spin_unlock_irq(&device.lock, was);
	thread_wake(device.thread);
}

bool device_done(struct device_request *r)
{
	bool was = spin_lock_irq(&device.lock);
	bool done = r->done;

	spin_unlock_irq(&device.lock, was);
	return done;
}

void device_release(struct device_request *r)
{
	bool was;

	if (r->late)
		device_submit(r, NULL);
	was = spin_lock_irq(&device.lock);
	r->waiter = NULL;
	spin_unlock_irq(&device.lock, was);
	put(r);
}
