/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/user/syscall.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/mm/fork.h"
#include "guest/mm/gup.h"
#include "guest/mm/huge.h"
#include "guest/mm/mm.h"
#include "guest/sched/thread.h"
#include "guest/user/abi.h"
#include "guest/user/copy.h"
#include "guest/user/device.h"

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

struct call {
	struct user *user;
	const struct trap_frame *frame;
	u64 arg[SYSCALL_ARGS];
};

static s64 sys_exit(struct call *c)
{
	user_end(c->user, &(struct user_end){ .reason = USER_EXITED, .code = c->arg[0] });
	return 0;
}

static s64 sys_yield(struct call *c)
{
	(void)c;
	thread_yield();
	return 0;
}

static s64 sys_getcpu(struct call *c)
{
	(void)c;
	return cpu_id();
}

static s64 sys_gettid(struct call *c)
{
	return c->user->id;
}

static s64 sys_report(struct call *c)
{
	struct user_result *r = &c->user->result;

	if (r->reports == USER_REPORTS)
		return -EAGAIN;
	r->report[r->reports++] = c->arg[0];
	return 0;
}

static s64 sys_mmap(struct call *c)
{
	if (c->arg[2] & ~(u64)PROT_ALL || c->arg[3] & ~(u64)MAP_HUGE)
		return -EINVAL;
	return mm_map(c->user->mm, c->arg[0], c->arg[1], (unsigned)c->arg[2], (unsigned)c->arg[3]);
}

static s64 sys_munmap(struct call *c)
{
	return mm_unmap(c->user->mm, c->arg[0], c->arg[1]);
}

static s64 sys_mprotect(struct call *c)
{
	if (c->arg[2] & ~(u64)PROT_ALL)
		return -EINVAL;
	return mm_protect(c->user->mm, c->arg[0], c->arg[1], (unsigned)c->arg[2]);
}

static s64 sys_mremap(struct call *c)
{
	return mm_remap(c->user->mm, c->arg[0], c->arg[1], c->arg[2]);
}

static s64 sys_dontneed(struct call *c)
{
	return mm_dontneed(c->user->mm, c->arg[0], c->arg[1]);
}

static s64 sys_collapse(struct call *c)
{
	return mm_collapse(c->user->mm, c->arg[0]);
}

static s64 sys_fork(struct call *c)
{
	struct user *child;
	struct mm *mm;

	if (c->arg[0] >= cpu_count())
		return -EINVAL;
	mm = mm_fork(c->user->mm);
	if (!mm)
		return -ENOMEM;
	child = user_fork(c->user, (u32)c->arg[0], mm, c->frame);
	if (!child) {
		mm_put(mm);
		return -EAGAIN;
	}
	return child->id;
}

/* Also returns when the caller has been killed; the child is joined at its end then. */
static s64 sys_join(struct call *c)
{
	struct user **link = &c->user->children, *child;
	struct user_result result;

	while (*link && (*link)->id != c->arg[0])
		link = &(*link)->sibling;
	child = *link;
	if (!child)
		return -ENOENT;
	while (!user_has_ended(child)) {
		if (mem_load(&c->user->killed))
			return -EAGAIN;
		thread_block();
	}
	*link = child->sibling;
	user_join(child, &result);
	return result.end.reason == USER_EXITED && result.end.code == 0 ? 0 : -EFAULT;
}

/* All of them or none: 0 or an error. */
static s64 pin_pages(struct mm *mm, const struct user_pin *pin, struct device_request *r)
{
	while (r->pages < pin->pages) {
		s64 got = gup_fast(mm, pin->addr + r->pages * PAGE_SIZE, pin->pages - r->pages,
				   r->write ? GUP_WRITE : 0, r->page + r->pages);

		if (got < 0) {
			gup_unpin(r->page, r->pages);
			return got;
		}
		r->pages += (u32)got;
	}
	return 0;
}

static s64 free_slot(const struct user *u)
{
	for (u32 i = 0; i < USER_PINS; i++) {
		if (!u->pin[i])
			return i;
	}
	return -EAGAIN;
}

static s64 start_pin(struct call *c, bool write)
{
	s64 slot = free_slot(c->user), error;
	struct device_request *r;
	struct user_pin pin;

	error = copy_from_user(c->user->mm, &pin, c->arg[0], sizeof(pin));
	if (error)
		return error;
	if (pin.pages == 0 || pin.pages > DEVICE_MAX_PAGES || pin.flags & ~PIN_LATE ||
	    pin.addr % PAGE_SIZE || pin.addr > USER_END - pin.pages * PAGE_SIZE)
		return -EINVAL;
	if (slot < 0)
		return slot;
	if (!device_running())
		return -ENOSYS;
	r = device_request();
	if (!r)
		return -ENOMEM;
	r->write = write;
	r->pattern = pin.pattern;
	error = pin_pages(c->user->mm, &pin, r);
	if (error) {
		device_discard(r);
		return error;
	}
	c->user->pin[slot] = r;
	if (pin.flags & PIN_LATE)
		r->late = true;
	else
		device_submit(r, thread_current());
	return slot;
}

static s64 sys_pin_write(struct call *c)
{
	return start_pin(c, true);
}

static s64 sys_pin_read(struct call *c)
{
	return start_pin(c, false);
}

static s64 sys_pin_wait(struct call *c)
{
	struct user *u = c->user;
	struct user_pin_result result;
	struct device_request *r;

	if (c->arg[0] >= USER_PINS || !u->pin[c->arg[0]])
		return -ENOENT;
	r = u->pin[c->arg[0]];
	if (r->late)
		device_submit(r, thread_current());
	while (!device_done(r)) {
		if (mem_load(&u->killed))
			return -EAGAIN;
		thread_block();
	}
	result = (struct user_pin_result){ .sum = r->sum, .pages = r->pages };
	u->pin[c->arg[0]] = NULL;
	device_release(r);
	return copy_to_user(u->mm, c->arg[1], &result, sizeof(result));
}

static s64 (*const calls[SYSCALL_COUNT])(struct call *) = {
#define SYSCALL_ENTRY(id, name) [SYS_##id] = sys_##name,
	SYSCALLS(SYSCALL_ENTRY)
#undef SYSCALL_ENTRY
};

s64 syscall_dispatch(struct user *u, const struct trap_frame *f)
{
	struct call c = { .user = u, .frame = f, .arg = { f->rdi, f->rsi, f->rdx, f->r10, f->r8 } };

	if (f->rax >= SYSCALL_COUNT)
		return -ENOSYS;
	return calls[f->rax](&c);
}
