/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two processes at a time, each with a thread on every CPU, some of them one after
 * the other; and on every CPU a kernel thread that stays lazily on whatever root it finds
 * and reads through it, as speculation would. Ticks preempt threads anywhere; the host,
 * if it can, has several vCPUs share a CPU.
 */
#include "guest/cpu/irq.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/timer.h"
#include "guest/cpu/trap.h"
#include "guest/flush/flush.h"
#include "guest/flush/ring.h"
#include "guest/lib/harness.h"
#include "guest/lib/ktap.h"
#include "guest/lib/print.h"
#include "guest/mm/exit.h"
#include "guest/mm/gather.h"
#include "guest/mm/gup.h"
#include "guest/mm/held.h"
#include "guest/mm/page.h"
#include "guest/mm/switch.h"
#include "guest/mm/walk.h"
#include "guest/sched/thread.h"
#include "guest/stress/stops.h"
#include "guest/stress/stress.h"
#include "guest/stress/worker.h"

#define LIVES		 3u /* pairs of processes, one after the other */
#define STOP_SHORTEST_US 100u
#define STOP_LONGEST_US	 2000u

struct lazy {
	u64 random;
	u64 reads, found;
	struct thread *thread;
};

static struct {
	const struct stress *stress;
	bool over;		    /* lock-free: for the lazy threads */
	struct process *process[2]; /* lock-free: those that live */
	struct worker *worker;	    /* two a CPU */
	struct lazy *lazy;	    /* one a CPU */
	u64 done[OPERATION_COUNT];
} storm;

static u32 areas(void)
{
	return MIN(cpu_count(), AREAS);
}

/* The owner whose root this CPU has, if it is one of the two; 0: another one, or none. */
static u32 owner_here(void)
{
	const struct mm *mm = this_mm_cpu()->active;

	for (u32 i = 0; i < 2; i++) {
		const struct process *p = mem_load(&storm.process[i]);

		if (p && p->mm == mm)
			return p->owner;
	}
	return 0;
}

/* Interrupts off: the root stays, unless the host takes it away, and then the read faults. */
static void read_lazily(struct lazy *l)
{
	u32 area = random_below(&l->random, areas()), page = random_below(&l->random, AREA_PAGES);
	u64 va = area_va(area, 1 + random_below(&l->random, 2), page), v;
	bool was = irq_save();
	u32 owner = owner_here();

	__asm__ volatile("prefetcht0 (%0)" ::"r"(va));
	l->reads++;
	if (!try_read64((const void *)va, &v)) {
		l->found++;
		/* A child's root: the owner is anybody, the page is not. */
		if (owner)
			stamp_check(v, va, owner, area_page(area, page), 0);
		else
			stamp_check(v, va, (u32)(v >> 52), area_page(area, page), 0);
	}
	irq_restore(was);
}

static void lazy_main(void *arg)
{
	struct lazy *l = arg;

	while (!mem_load(&storm.over)) {
		for (u32 i = 0; i < 4; i++)
			read_lazily(l);
		thread_yield();
	}
}

static void on_each_cpu(const char *name, void (*fn)(void *arg))
{
	for (u32 cpu = 0; cpu < cpu_count(); cpu++)
		thread_join(thread_create(name, cpu, fn, NULL));
}

static void start_tick(void *arg)
{
	(void)arg;
	tick_start();
}

static void stop_tick(void *arg)
{
	(void)arg;
	tick_stop();
}

static void start_lazy(void)
{
	for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
		storm.lazy[cpu].random = storm.stress->seed + 1000 + cpu;
		storm.lazy[cpu].thread = thread_create("lazy", cpu, lazy_main, &storm.lazy[cpu]);
	}
}

static void stop_lazy(void)
{
	mem_store(&storm.over, true);
	for (u32 cpu = 0; cpu < cpu_count(); cpu++)
		thread_join(storm.lazy[cpu].thread);
}

static void start_worker(u32 index, u32 life)
{
	struct worker *w = &storm.worker[index];
	u32 cpu = index / 2;

	*w = (struct worker){
		.process = storm.process[index % 2],
		.other = storm.process[!(index % 2)],
		.area = cpu < areas() ? cpu : AREAS,
		.random = (storm.stress->seed * LIVES + life) * 2 * GUEST_MAX_CPUS + index,
		.rounds = storm.stress->rounds,
	};
	mm_get(w->process->mm);
	w->thread = thread_create("worker", cpu, worker_main, w);
}

static void end_worker(u32 index)
{
	thread_join(storm.worker[index].thread);
	for (u32 i = 0; i < OPERATION_COUNT; i++)
		storm.done[i] += storm.worker[index].done[i];
}

/* The exits overlap with the next life: nobody waits for the last CPU to leave a root. */
static void live(u32 life)
{
	struct process *p[2];

	for (u32 i = 0; i < 2; i++) {
		p[i] = process_open(1 + 2 * life + i, areas());
		mem_store(&storm.process[i], p[i]);
	}
	for (u32 i = 0; i < 2 * cpu_count(); i++)
		start_worker(i, life);
	for (u32 i = 0; i < 2 * cpu_count(); i++)
		end_worker(i);
	for (u32 i = 0; i < 2; i++)
		mem_store(&storm.process[i], NULL);
	for (u32 i = 0; i < 2; i++)
		process_close(p[i]);
}

/* False: reported, as a skip. */
static bool stop_cpus(void)
{
	char why[128];
	bool on = stops_begin(0, cpu_count(), STOP_SHORTEST_US, STOP_LONGEST_US, why);

	if (!on)
		ktap_skip("vCPUs that the host stops: %s", why);
	return on;
}

static void place(void)
{
	struct harness_place where;
	char why[128];

	if (harness_place(HARNESS_OVERCOMMITTED, cpu_count(), &where, why))
		ktap_skip("vCPUs that share a host CPU: %s", why);
	else
		ktap_ok(where.ratio > 1, "%u vCPUs share %u CPU(s) of the host", cpu_count(),
			where.cpus);
}

static void check_work(void)
{
	static const char *const names[OPERATION_COUNT] = {
#define NAME(id, name, weight) name,
		OPERATIONS(NAME)
#undef NAME
	};

	for (u32 i = 0; i < OPERATION_COUNT; i++)
		ktap_ok(storm.done[i], "%s: %lu times%s", names[i], storm.done[i],
			storm.done[i] ? "" : ": no evidence");
}

static void check_lazy(void)
{
	u64 reads = 0, found = 0;

	for (u32 cpu = 0; cpu < cpu_count(); cpu++) {
		reads += storm.lazy[cpu].reads;
		found += storm.lazy[cpu].found;
	}
	ktap_ok(found, "lazy CPUs read %lu times through the root they had, found %lu pages%s",
		reads, found, found ? "" : ": no evidence");
}

static void show_counters(const struct flush_counters *f0)
{
	struct flush_counters f1;
	struct gather_counters g;
	struct exit_counters x;

	flush_counters_sum(&f1);
	gather_counters(&g);
	exit_counters(&x);
	ktap_diag("%lu flushes, %lu IPIs, %lu hypercalls, %lu left to the host; gup_fast slow %lu "
		  "times",
		  f1.flushes - f0->flushes, f1.ipis - f0->ipis, f1.hypercalls - f0->hypercalls,
		  f1.skipped - f0->skipped, gup_slow_count());
	ktap_diag("since boot: %lu pages and %lu tables freed; %lu exits, %lu CPUs moved by %lu "
		  "detaches",
		  g.pages, g.tables, x.exits, x.moved, x.detaches);
}

static void check_held(void)
{
	struct held_counters h;

	held_counters(&h);
	if (!held_is_posted())
		return;
	if (!ring_available()) {
		ktap_skip("posted munmap: backend %s has no ring", flush_backend()->name);
		return;
	}
	ktap_ok(h.posted,
		"%lu munmaps posted, %lu pages, %lu at most held; %lu waited for, %lu not posted: "
		"full%s",
		h.posted, h.pages, h.most, h.waited, h.full, h.posted ? "" : ": no evidence");
}

/* On CPUs of their own, if there are enough, but not all the time. */
static void live_stopped(u32 life)
{
	bool stopped = stop_cpus();
	struct harness_stops stops;

	live(life);
	if (!stopped)
		return;
	stops = stops_end();
	ktap_ok(stops.stops, "the host stopped a vCPU %lu times%s", stops.stops,
		stops.stops ? "" : ": no evidence");
}

static void run_storm(void)
{
	u32 cpus = cpu_count();

	storm.worker = kzalloc(2ul * cpus * sizeof(*storm.worker));
	storm.lazy = kzalloc(cpus * sizeof(*storm.lazy));
	start_lazy();
	on_each_cpu("tick", start_tick);
	for (u32 i = 0; i < LIVES - 1; i++)
		live(i);
	live_stopped(LIVES - 1);
	on_each_cpu("tick", stop_tick);
	stop_lazy();
	check_lazy();
	kfree(storm.lazy, cpus * sizeof(*storm.lazy));
	kfree(storm.worker, 2ul * cpus * sizeof(*storm.worker));
}

/* Nothing is lost; what is freed twice is a panic. The control: one page that is not freed. */
static void check_census(u64 free)
{
	u64 now = stress_census();
	paddr_t page = page_alloc();

	ktap_ok(now == free && !walk_backlog(), "census: %lu pages are free again of %lu", now,
		free);
	ktap_ok(page != PADDR_NONE && stress_census() == now - 1, "control: one is missed");
	page_put(page);
}

void stress_storm(const struct stress *s)
{
	struct flush_counters f0;
	u64 free;

	if (s->refused) {
		ktap_skip("storm: with this walk it would write into freed memory");
		return;
	}
	ktap_begin("storm");
	findings_reset();
	storm.stress = s;
	storm.over = false;
	flush_counters_sum(&f0);
	place();
	free = stress_census(); /* after the harness has its page */
	run_storm();
	check_work();
	check_held();
	show_counters(&f0);
	findings_show();
	ktap_ok(!findings_all(), "%u findings", findings_all());
	check_census(free);
	ktap_end();
}
