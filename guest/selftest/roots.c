/* SPDX-License-Identifier: BSD-2-Clause */
/* Which root a CPU is on, and who references it: mm/switch.h. */
#include "guest/cpu/irq.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/tlb.h"
#include "guest/cpu/trap.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/fault.h"
#include "guest/mm/map.h"
#include "guest/mm/page.h"
#include "guest/mm/pgtable.h"
#include "guest/mm/switch.h"
#include "guest/sched/thread.h"
#include "guest/selftest/selftest.h"

/* What the CPU and the mm say of each other. */
struct standing {
	u64 loads; /* CR3 loads of this CPU since the test began */
	u64 state; /* ROOT_* */
	bool on_root, in_mask;
	u32 refs;
	bool reaches; /* a user address of the mm */
};

static u64 first_load;

static struct standing look(const struct mm *mm)
{
	const struct mm_cpu *me = this_mm_cpu();
	u64 word = mem_load(&me->root_word), value;

	return (struct standing){
		.loads = me->root_loads - first_load,
		.state = word & ROOT_STATE,
		.on_root = root_current() == mm->root,
		.in_mask = cpumask_test(&mm->cpus, cpu_id()),
		.refs = mem_load(&mm->root_refs),
		.reaches = try_read64((const void *)SELFTEST_VA, &value) == 0,
	};
}

/* `loads` as said; the rest as it must be on the mm's root, or off it. */
static bool stands(const struct standing *s, u64 loads, bool on, u64 state, u32 refs)
{
	return s->loads == loads && s->state == state && s->refs == refs && s->on_root == on &&
	       s->in_mask == on && s->reaches == on;
}

struct mm *selftest_make_mm(u64 pages)
{
	struct mm *mm = mm_create();

	if (!mm || mm_map(mm, SELFTEST_VA, pages * PAGE_SIZE, PROT_WRITE, 0) != (s64)SELFTEST_VA)
		panic("selftest: no memory for an mm");
	for (u64 i = 0; i < pages; i++) {
		if (mm_fault(mm, SELFTEST_VA + i * PAGE_SIZE, ACCESS_WRITE))
			panic("selftest: no memory for an mm's pages");
	}
	return mm;
}

struct visit {
	struct mm *mm, *other;
	struct standing used, lazy, flushed, back, woken, elsewhere, disused, moved, again, left;
	bool single;	    /* CPU: nobody is there to look and to wake */
	bool sleeps, awake; /* the visitor; CPU 0 says that it may wake up */
};

/* A kernel thread that comes between: keeps the root it finds, also when it flushes. */
static void pass_by(void *arg)
{
	struct visit *v = arg;

	v->lazy = look(v->mm);
	tlb_flush_user();
	v->flushed = look(v->mm);
}

/* What the host does in `detach`, while the CPU cannot look: word, CR3; then the initiator. */
static void be_moved(struct mm *mm)
{
	bool was = irq_save();
	u64 word = ROOT_LAZY | mm->root;

	if (!mem_cas(&this_mm_cpu()->root_word, &word, ROOT_MOVED | pt_kernel_root()))
		panic("selftest: the root is not lazy");
	write_cr3(pt_kernel_root());
	cpumask_clear_atomic(&mm->cpus, cpu_id());
	root_put(mm);
	irq_restore(was);
}

static void visit(void *arg)
{
	struct visit *v = arg;
	struct thread *passer;

	first_load = this_mm_cpu()->root_loads;
	mm_use(v->mm);
	v->used = look(v->mm);
	passer = thread_create("passer", cpu_id(), pass_by, v);
	thread_yield();
	v->back = look(v->mm);
	thread_join(passer);
	if (!v->single) {
		__atomic_store_n(&v->sleeps, true, __ATOMIC_RELEASE);
		while (!__atomic_load_n(&v->awake, __ATOMIC_ACQUIRE))
			thread_block();
		v->woken = look(v->mm);
	}
	mm_use(v->other);
	v->elsewhere = look(v->mm);
	mm_use(v->mm);
	mm_disuse();
	v->disused = look(v->mm);
	be_moved(v->mm);
	tlb_flush_user();
	v->moved = look(v->mm);
	mm_use(v->mm);
	v->again = look(v->mm);
	mm_disuse();
	irq_disable();
	mm_leave_lazy();
	irq_enable();
	v->left = look(v->mm);
}

static bool has_left(const struct mm *mm, u32 cpu)
{
	return !cpumask_test(&mm->cpus, cpu) && mem_load(&mm->root_refs) == 1;
}

static void report(const struct visit *v, u64 idle_loads)
{
	u64 loads = 1 + idle_loads;

	ktap_ok(stands(&v->used, 1, true, ROOT_ACTIVE, 2), "a thread takes an mm: one CR3 load");
	ktap_ok(stands(&v->lazy, 1, true, ROOT_LAZY, 2), "a kernel thread stays on it, lazily");
	ktap_ok(stands(&v->flushed, 1, true, ROOT_LAZY, 2), "so it does when it flushes");
	ktap_ok(stands(&v->back, 1, true, ROOT_ACTIVE, 2), "the thread comes back: no CR3 load");
	if (v->single)
		ktap_skip("idle: CPU 0 looks at another one");
	else
		ktap_ok(stands(&v->woken, loads, true, ROOT_ACTIVE, 2),
			"after sleep it is loaded again: %lu CR3 loads", v->woken.loads);
	ktap_ok(v->elsewhere.loads == loads + 1 && v->elsewhere.refs == 1 &&
			!v->elsewhere.in_mask && !v->elsewhere.on_root,
		"another mm: one CR3 load, bit and reference are gone");
	ktap_ok(stands(&v->disused, loads + 2, true, ROOT_LAZY, 2), "back and done: lazy");
	ktap_ok(stands(&v->moved, loads + 2, false, ROOT_MOVED, 1),
		"moved by the host: a flush does not bring the root back");
	ktap_ok(stands(&v->again, loads + 3, true, ROOT_ACTIVE, 2),
		"then the mm again: a reference of its own");
	ktap_ok(stands(&v->left, loads + 4, false, ROOT_ACTIVE, 1), "left: nobody references it");
}

void selftest_roots(void)
{
	u64 before = page_free_count();
	u32 cpu = cpu_count() - 1;
	struct visit v = { .mm = selftest_make_mm(1),
			   .other = selftest_make_mm(1),
			   .single = cpu == 0 };
	struct thread *t = thread_create("visitor", cpu, visit, &v);

	if (!v.single) {
		ktap_ok(wait_for(__atomic_load_n(&v.sleeps, __ATOMIC_ACQUIRE)) &&
				wait_for(has_left(v.mm, cpu)),
			"a CPU that idles leaves the root");
		__atomic_store_n(&v.awake, true, __ATOMIC_RELEASE);
		thread_wake(t);
	} else {
		ktap_skip("idle: there is one CPU");
	}
	thread_join(t);
	report(&v, v.single ? 0 : 2);
	mm_put(v.mm);
	mm_put(v.other);
	ktap_ok(page_free_count() == before, "all %lu pages are free again", before);
}
