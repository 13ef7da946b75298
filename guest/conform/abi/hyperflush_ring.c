/* SPDX-License-Identifier: BSD-2-Clause */
/* Table `hyperflush`: how rings are registered, served, stopped and taken away (docs/abi.md,
 * "ring"). */
#include "guest/conform/abi/poster.h"
#include "guest/conform/abi/race.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/lib/harness.h"
#include "guest/lib/string.h"

#define SOME_TAIL 7u

/* CPU 0 posts on one of them, for CPU 1. */
static struct {
	struct poster own, other;
	struct hf_small flush_1;
} rings;

static const char *lacking(void)
{
	return hf_lacks(HF_FEATURE_RING, "no ring");
}

/* CPU 1 is a probe, and CPU 0 has its ring, empty. False: *f says why not. */
static bool begin(struct conform *c, u32 tail, struct finding *f)
{
	struct cpumask one = { 0 };

	if (!check_has_cpus(1, f))
		return false;
	if (!rings.own.ring) {
		poster_init(&rings.own);
		poster_init(&rings.other);
		rings.flush_1 = hf_small(1ull << cpu_by_id(1)->apic_id);
	}
	cpumask_set(&one, 1);
	probes_use(c->probes, &one);
	memset(rings.own.ring, 0, PAGE_SIZE);
	memset(rings.other.ring, 0, PAGE_SIZE);
	if (poster_register(&rings.own, tail))
		return true;
	finding_fail(f, "a ring cannot be registered");
	return false;
}

static void fill(struct poster *p, u32 ahead)
{
	poster_fill(p, ahead, &rings.flush_1, sizeof(rings.flush_1), sizeof(rings.flush_1));
}

/* One post on `p` is served. NULL, or why not. */
static const char *post_one(struct poster *p)
{
	fill(p, 0);
	poster_push(p, 1);
	return poster_wait(p);
}

static u64 register_other(void *arg)
{
	return poster_register(arg, 0);
}

static u64 unregister(void *arg)
{
	(void)arg;
	wrmsr(HF_MSR_RING, 0);
	return 0;
}

static void end(struct conform *c)
{
	unregister(NULL);
	probe_run(c->probes, 1, unregister, NULL);
}

static void finding_of(struct finding *f, const char *why, bool ok, const char *what)
{
	if (why)
		finding_fail(f, "%s", why);
	else
		finding_is(f, ok, "%s", what);
}

/* M-RING-1 */
static void reads_back(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	if (!begin(c, 0, f))
		return;
	bool own = rdmsr(HF_MSR_RING) == (virt_to_phys(rings.own.ring) | 1);

	finding_is(f, own && hf_msr_keeps(HF_MSR_RING, 0), "a ring, and none");
	end(c);
}

/* The ring that was there is served after the refusal. */
static void bad_value(struct conform *c, const void *row, struct finding *f)
{
	const u64 *bits = row;

	if (!begin(c, 0, f))
		return;
	u64 before = rdmsr(HF_MSR_RING);

	msr_write_faults(HF_MSR_RING,
			 *bits ? virt_to_phys(rings.other.ring) | *bits : c->edge.beyond | 1, f);
	if (rdmsr(HF_MSR_RING) != before || post_one(&rings.own))
		finding_fail(f, "a refused write has changed the ring");
	end(c);
}

/* M-RING-2 */
static void begins_at_tail(struct conform *c, const void *row, struct finding *f)
{
	struct hf_ring *ring;
	u32 untold = 0;

	(void)row;
	if (!begin(c, 0, f))
		return;
	ring = rings.other.ring;
	for (u32 i = 0; i < HF_RING_ENTRIES; i++)
		fill(&rings.other, i);
	ring->completed = 99;
	ring->error = HF_ERING;
	if (!poster_register(&rings.other, SOME_TAIL)) {
		finding_fail(f, "a page that was used cannot be registered");
		end(c);
		return;
	}
	bool fresh = ring->completed == SOME_TAIL && !ring->error && ring->need_doorbell;
	const char *why = post_one(&rings.other);

	for (u32 i = 0; i < HF_RING_ENTRIES; i++)
		untold += ring->entry[i].status == POSTER_UNTOLD;
	finding_of(
		f, why, fresh && untold == HF_RING_ENTRIES - 1 && !poster_status(&rings.other, 1),
		"completed is tail, no error, the doorbell is wanted, what it held is not taken");
	end(c);
}

/* M-RING-3: the host leaves a ring alone that is replaced, or taken away. */
static void old_is_left(struct conform *c, const void *row, struct finding *f)
{
	static u8 before[PAGE_SIZE];
	const u64 *replaced = row;
	const char *why;

	if (!begin(c, 0, f))
		return;
	why = post_one(&rings.own);
	if (why) {
		finding_fail(f, "%s", why);
		end(c);
		return;
	}
	if (*replaced)
		poster_register(&rings.other, 0);
	else
		wrmsr(HF_MSR_RING, 0);
	fill(&rings.own, 0);
	/* Values that no host writes, so that it is seen whatever it writes. */
	rings.own.ring->completed = rings.own.ring->need_doorbell = POSTER_UNTOLD;
	rings.own.ring->error = POSTER_UNTOLD;
	rings.own.tail++;
	__atomic_store_n(&rings.own.ring->tail, rings.own.tail, __ATOMIC_SEQ_CST);
	memcpy(before, rings.own.ring, PAGE_SIZE);
	poster_doorbell();
	/* Whoever has served this one has looked at the old one, if ever. */
	if (!*replaced)
		probe_run(c->probes, 1, register_other, &rings.other);
	why = post_one(&rings.other);
	finding_of(f, why, !memcmp(before, rings.own.ring, PAGE_SIZE), "nothing is written to it");
	end(c);
}

/* So many posts from that index, by one store of tail: all complete, CPU 1 flushed. */
struct batch {
	u32 tail, count;
};

static void batch(struct conform *c, const void *row, struct finding *f)
{
	const struct batch *b = row;
	const char *why = NULL;
	u32 stale = 0, good = 0;

	for (u32 trial = 0; trial < 3 && !why; trial++) {
		if (!begin(c, b->tail, f))
			return;
		for (u32 i = 0; i < b->count; i++)
			fill(&rings.own, i);
		probes_arm(c->probes);
		poster_push(&rings.own, b->count);
		why = poster_wait(&rings.own);
		stale |= probes_look(c->probes, PROBE_ALL, NULL);
		for (u32 i = 1; i <= b->count; i++)
			good += !poster_status(&rings.own, i);
	}
	if (why)
		finding_fail(f, "%s; completed is %#x, tail %#x", why, rings.own.ring->completed,
			     rings.own.tail);
	else
		finding_is(f, !stale && good == 3 * b->count, "%u of %u good, slots %#x stale",
			   good, 3 * b->count, stale);
	end(c);
}

/* M-RING-4: bad entries among good ones. */
static void each_by_itself(struct conform *c, const void *row, struct finding *f)
{
	struct hf_small bad = hf_small(1);

	(void)row;
	if (!begin(c, 0, f))
		return;
	bad.head.flags = 1u << 1;
	poster_fill(&rings.own, 0, &bad, sizeof(bad), sizeof(bad));
	fill(&rings.own, 1);
	poster_fill(&rings.own, 2, &bad, sizeof(bad), 1);
	probes_arm(c->probes);
	poster_push(&rings.own, 3);
	const char *why = poster_wait(&rings.own);
	u32 stale = probes_look(c->probes, PROBE_ALL, NULL);

	if (why)
		finding_fail(f, "%s", why);
	else
		finding_is(f,
			   !stale && poster_status(&rings.own, 3) == HF_EFLAGS &&
				   !poster_status(&rings.own, 2) &&
				   poster_status(&rings.own, 1) == HF_ESIZE,
			   "%d, %d, %d; slots %#x stale", poster_status(&rings.own, 3),
			   poster_status(&rings.own, 2), poster_status(&rings.own, 1), stale);
	end(c);
}

/* M-RING-7 */
static void one_kick(struct conform *c, const void *row, struct finding *f)
{
	struct harness_stats before, after;
	u64 since = 0;

	(void)row;
	if (!begin(c, 0, f))
		return;
	while (!__atomic_load_n(&rings.own.ring->need_doorbell, __ATOMIC_RELAXED) &&
	       hf_patient(&since))
		cpu_pause(); /* else it would take what is posted one by one */
	for (u32 i = 0; i < HF_RING_ENTRIES; i++)
		fill(&rings.own, i);
	bool counted = !harness_stats(&before);

	poster_push(&rings.own, HF_RING_ENTRIES);
	const char *why = poster_wait(&rings.own);

	counted &= !harness_stats(&after);
	if (why)
		finding_fail(f, "%s", why);
	else if (!counted)
		finding_skip(f, "no harness that counts kicks");
	else
		finding_is(f, after.kicks - before.kicks <= 1, "%u entries, %llu kicks",
			   HF_RING_ENTRIES, (unsigned long long)(after.kicks - before.kicks));
	end(c);
}

#define ROUNDS 128u

/* M-RING-8: posts at any time; the doorbell only where the host wants it. */
static void doorbell_if_wanted(struct conform *c, const void *row, struct finding *f)
{
	u32 rung = 0, i;
	const char *why = NULL;

	(void)row;
	if (!begin(c, 0, f))
		return;
	for (i = 0; i < ROUNDS && !why; i++) {
		for (u32 wait = i * i % 997; wait; wait--)
			cpu_pause();
		fill(&rings.own, 0);
		rung += poster_push(&rings.own, 1);
		why = poster_wait(&rings.own);
	}
	if (why)
		finding_fail(f, "post %u: %s; the doorbell was %s", i, why,
			     rings.own.ring->need_doorbell ? "rung" : "not wanted");
	else
		finding_pass(f, "%u posts, %u doorbells", ROUNDS, rung);
	end(c);
}

static void doorbells_for_nothing(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	if (!begin(c, 0, f))
		return;
	for (u32 i = 0; i < ROUNDS; i++) {
		poster_doorbell();
		for (u32 wait = i * i % 997; wait; wait--) /* some find the host asleep again */
			cpu_pause();
	}
	finding_of(f, post_one(&rings.own), true, "a post after them is served");
	end(c);
}

/* M-RING-9: the ring is stopped until it is registered again; another one is served meanwhile. */
static void overfull(struct conform *c, const void *row, struct finding *f)
{
	struct hf_ring *ring;
	u64 since = 0;
	u32 untold = 0;

	(void)row;
	if (!begin(c, SOME_TAIL, f))
		return;
	ring = rings.own.ring;
	for (u32 i = 0; i < HF_RING_ENTRIES; i++)
		fill(&rings.own, i);
	poster_push(&rings.own, HF_RING_ENTRIES + 1);
	while (!__atomic_load_n(&ring->error, __ATOMIC_ACQUIRE) &&
	       __atomic_load_n(&ring->completed, __ATOMIC_ACQUIRE) == SOME_TAIL &&
	       hf_patient(&since))
		cpu_pause();
	__atomic_store_n(&ring->tail, SOME_TAIL + 1, __ATOMIC_SEQ_CST);
	probe_run(c->probes, 1, register_other, &rings.other);
	poster_doorbell();
	const char *why = post_one(&rings.other);

	for (u32 i = 0; i < HF_RING_ENTRIES; i++)
		untold += ring->entry[i].status == POSTER_UNTOLD;
	s32 error = ring->error;
	u32 completed = ring->completed;

	if (!why && (error != HF_ERING || completed != SOME_TAIL || untold != HF_RING_ENTRIES))
		finding_fail(f, "error %d, completed %u, %u entries judged", error, completed,
			     HF_RING_ENTRIES - untold);
	else
		finding_of(f,
			   why				    ? why
			   : poster_register(&rings.own, 0) ? post_one(&rings.own)
							    : "no ring again",
			   true, "stopped, another one served, and served again");
	end(c);
}

/* M-RING-11: the owner of the ring is the caller, whoever posts or rings. */
static void caller_is_owner(struct conform *c, const void *row, struct finding *f)
{
	struct hf_small but_owner = { .head = { .set_kind = HF_SET_ALL_BUT_SELF } };
	struct cpumask both = { 0 };
	const char *why = NULL;
	u32 stale = 0;

	(void)row;
	if (!begin(c, 0, f))
		return;
	cpumask_set(&both, 0);
	cpumask_set(&both, 1);
	probes_use(c->probes, &both);
	probe_run(c->probes, 1, register_other, &rings.other);
	for (u32 trial = 0; trial < 3 && !why; trial++) {
		poster_fill(&rings.other, 0, &but_owner, sizeof(but_owner.head),
			    sizeof(but_owner.head));
		probes_arm(c->probes);
		poster_push(&rings.other, 1);
		why = poster_wait(&rings.other);
		probes_look(c->probes, PROBE_ALL, NULL);
		stale |= probe_stale(c->probes, 0);
	}
	finding_of(f, why, !stale, "all but the ring's owner are flushed");
	end(c);
}

/* One doorbell speaks for all rings. */
static void each_its_own(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	if (!begin(c, 0, f))
		return;
	probe_run(c->probes, 1, register_other, &rings.other);
	fill(&rings.own, 0);
	fill(&rings.other, 0);
	rings.other.tail++;
	__atomic_store_n(&rings.other.ring->tail, rings.other.tail, __ATOMIC_SEQ_CST);
	poster_push(&rings.own, 1);
	const char *why = poster_wait(&rings.own);

	if (!why)
		why = poster_wait(&rings.other);
	finding_of(f, why, rdmsr(HF_MSR_RING) == (virt_to_phys(rings.own.ring) | 1),
		   "two rings, one doorbell");
	end(c);
}

static u64 *fill_next(void *arg)
{
	struct poster *p = arg;

	fill(p, 0);
	return (u64 *)(void *)p->ring->entry[p->tail % HF_RING_ENTRIES].request;
}

static const char *push_filled(struct raw_call *call, void *arg)
{
	struct poster *p = arg;

	poster_push(p, 1);
	const char *why = poster_wait(p);

	call->rax = (u64)(s64)poster_status(p, 1);
	return why;
}

/* M-RING-6 */
static void read_once(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a = { .make = push_filled, .arg = &rings.own };

	(void)row;
	if (!begin(c, 0, f))
		return;
	race_check(c, &a, fill_next, &rings.own, f);
	unregister(NULL);
}

#define BATCH(name, at, n)                         \
	{                                          \
		name, batch, &(const struct batch) \
		{                                  \
			at, n                      \
		}                                  \
	}

static const struct check checks[] = {
	HF_PLAIN("ring.msr-reads-back", reads_back),
	HF_VALUE("ring.msr-not-enabled", bad_value, 2),
	HF_VALUE("ring.msr-unaligned", bad_value, 0x801),
	HF_VALUE("ring.msr-beyond-ram", bad_value, 0),
	HF_PLAIN("ring.begins-at-tail", begins_at_tail),
	HF_VALUE("ring.replaced-is-left-alone", old_is_left, 1),
	HF_VALUE("ring.removed-is-left-alone", old_is_left, 0),
	BATCH("ring.sixteen-at-once", 0, HF_RING_ENTRIES),
	BATCH("ring.index-wraps", UINT32_MAX - 7, HF_RING_ENTRIES),
	BATCH("ring.index-wraps-behind", UINT32_MAX, 1),
	HF_PLAIN("ring.each-judged-by-itself", each_by_itself),
	HF_PLAIN("ring.one-kick", one_kick),
	HF_PLAIN("ring.doorbell-if-wanted", doorbell_if_wanted),
	HF_PLAIN("ring.doorbells-for-nothing", doorbells_for_nothing),
	HF_PLAIN("ring.overfull", overfull),
	HF_PLAIN("ring.caller-is-owner", caller_is_owner),
	HF_PLAIN("ring.each-its-own", each_its_own),
	HF_PLAIN("ring.entry-read-once", read_once),
};

const struct check_table conform_hyperflush_ring = {
	.abi = "hyperflush",
	.lacking = lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
