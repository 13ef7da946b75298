/* SPDX-License-Identifier: BSD-2-Clause */
/* Table `hyperflush`: `detach` against the clock, other initiators, and vCPUs that do not run. */
#include "guest/conform/abi/lazy.h"
#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/timer.h"
#include "guest/flush/backend.h"
#include "guest/mm/pgtable.h"

#define ROUNDS 48u

/* M-DETACH-4, M-DETACH-5: no time at all. Whatever comes of it, the banks tell it, and it stays so.
 */
static void no_time(struct conform *c, const void *row, struct finding *f)
{
	static const struct move_row one = { .who = { { .cpu = 1, .state = HF_LAZY } } };
	struct cpumask cpus = { 0 };
	u32 moved = 0, wrong = 0;

	(void)row;
	for (u32 i = 0; i < ROUNDS && !wrong; i++) {
		if (!lazy_set_up(c, &one, &cpus, f))
			return;
		struct detach_1 r =
			detach_1(probe_root(c->probes, 1), probe_root(c->probes, LAZY_OTHER), 0);

		r.bank = lazy_bit_of(1);
		u64 gpa = request_place(c, PLACE_PAGE, &r, sizeof(r), 0, f);

		probes_arm(c->probes);
		u64 result = hypercall_hyperflush(HF_CALL_DETACH, gpa, sizeof(r));
		struct detach_1 *told = (void *)c->request;
		struct who now = one.who[0];

		now.moves = told->bank == lazy_bit_of(1);
		moved += now.moves;
		/* It has executed something since. */
		probe_run(c->probes, 1, probe_whose_root, NULL);
		probes_look(c->probes, PROBE_ALL, NULL);
		wrong += result || (told->bank && !now.moves) || !lazy_is_right(c, &now, f);
	}
	if (!wrong)
		finding_pass(f, "%u calls, %u moved", ROUNDS, moved);
	else if (f->outcome != OUTCOME_FAILED)
		finding_fail(f, "a call was refused, or the bank is not of the set");
	lazy_end(c, &cpus);
}

/* One side of two CPUs that ask each other, each lazy before it asks. */
struct side {
	paddr_t from, to; /* `to`: where the other one is sent */
	u32 other;
	u32 round;		 /* that it has begun, from 1 */
	const struct side *peer; /* the other one's */
	_Alignas(64) struct detach_1 request;
	u64 moved, found; /* told that the other was; found itself to be */
	u64 refused, slow;
};

static u64 ask_each_other(void *arg)
{
	const u64 longest = tsc_from_ms(HF_DETACH_MAX_US / 1000);
	struct side *s = arg;
	struct laziness lazy = { s->from, s->from | HF_LAZY };
	u64 *word = lazy_word_here();

	for (u32 i = 0; i < ROUNDS; i++) {
		u64 was = lazy.word;

		lazy_set(&lazy);
		__atomic_store_n(&s->round, i + 1, __ATOMIC_RELAXED);
		while (__atomic_load_n(&s->peer->round, __ATOMIC_RELAXED) <= i)
			cpu_pause(); /* so that the calls meet */
		u64 start = rdtsc();

		s->request = detach_1(s->from, s->to, HF_DETACH_MAX_US);
		s->request.bank = lazy_bit_of(s->other);
		s->refused += hypercall_hyperflush(HF_CALL_DETACH, virt_to_phys(&s->request),
						   sizeof(s->request)) != 0;
		s->slow += rdtsc() - start >= longest;
		s->moved += s->request.bank != 0;
		if (!mem_cas(word, &was, s->from | HF_ACTIVE))
			s->found++;
	}
	lazy_set(&(struct laziness){ s->from, LAZY_NO_WORD });
	return 0;
}

/* M-DETACH-4, M-DETACH-6: what one is told is what the other finds, and they do not wait. */
static void each_other(struct conform *c, const void *row, struct finding *f)
{
	static const struct move_row two = { .who = { { .cpu = 1 }, { .cpu = 2 } } };
	static struct side side[2];
	struct cpumask cpus = { 0 };

	(void)row;
	if (!lazy_set_up(c, &two, &cpus, f))
		return;
	for (u32 i = 0; i < 2; i++)
		side[i] = (struct side){ .from = probe_root(c->probes, 1),
					 .to = probe_root(c->probes, LAZY_OTHER),
					 .other = 2 - i,
					 .peer = &side[1 - i] };
	probe_post(c->probes, 1, ask_each_other, &side[0]);
	probe_post(c->probes, 2, ask_each_other, &side[1]);
	probe_wait(c->probes, 1);
	probe_wait(c->probes, 2);
	bool told = side[0].moved == side[1].found && side[1].moved == side[0].found;

	if (side[0].refused + side[1].refused || !told)
		finding_fail(f, "%llu and %llu moved, %llu and %llu found it, %llu refused",
			     (unsigned long long)side[0].moved, (unsigned long long)side[1].moved,
			     (unsigned long long)side[1].found, (unsigned long long)side[0].found,
			     (unsigned long long)side[0].refused + side[1].refused);
	else
		finding_is(f, side[0].slow + side[1].slow <= ROUNDS / 4,
			   "%u calls each: %llu and %llu moved, %llu took their whole time", ROUNDS,
			   (unsigned long long)side[0].moved, (unsigned long long)side[1].moved,
			   (unsigned long long)(side[0].slow + side[1].slow));
	lazy_end(c, &cpus);
}

static u64 ask_once(void *arg)
{
	struct detach_1 *r = arg;

	return hypercall_hyperflush(HF_CALL_DETACH, virt_to_phys(r), sizeof(*r));
}

struct caller {
	struct hf_small request;
	u32 begun, end;
};

/* In the host most of the time, where what it is asked stays until it leaves. */
static u64 call_until_told(void *arg)
{
	struct caller *me = arg;

	while (!__atomic_load_n(&me->end, __ATOMIC_RELAXED)) {
		hypercall_hyperflush(HF_CALL_FLUSH, virt_to_phys(&me->request),
				     sizeof(me->request));
		__atomic_store_n(&me->begun, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

/*
 * M-DETACH-7. The target makes calls all the time, so that a question waits for its answer, and
 * another may come meanwhile.
 */
static void two_initiators(struct conform *c, const void *row, struct finding *f)
{
	static const struct move_row one = { .who = { { .cpu = 1, .state = HF_LAZY } } };
	static _Alignas(64) struct detach_1 theirs, ours;
	static _Alignas(64) struct caller target;
	struct cpumask cpus = { 0 };
	u32 mine = 0, other = 0, wrong = 0;

	(void)row;
	for (u32 i = 0; i < ROUNDS && !wrong; i++) {
		if (!lazy_set_up(c, &one, &cpus, f))
			return;
		paddr_t from = probe_root(c->probes, 1), to = probe_root(c->probes, LAZY_OTHER);

		ours = detach_1(from, to, HF_DETACH_MAX_US);
		theirs = detach_1(from, pt_kernel_root(), HF_DETACH_MAX_US);
		ours.bank = theirs.bank = lazy_bit_of(1);
		target = (struct caller){ .request = hf_small(lazy_bit_of(0) |
							      lazy_bit_of(LAZY_OTHER)) };
		probe_post(c->probes, 1, call_until_told, &target);
		while (!__atomic_load_n(&target.begun, __ATOMIC_RELAXED))
			cpu_pause();
		probe_post(c->probes, LAZY_OTHER, ask_once, &theirs);
		for (u32 wait = i; wait; wait--)
			cpu_pause();
		u64 result = ask_once(&ours);

		result |= probe_wait(c->probes, LAZY_OTHER);
		__atomic_store_n(&target.end, 1, __ATOMIC_RELAXED);
		probe_wait(c->probes, 1);
		u64 word = lazy_word(1);
		u64 expected = ours.bank     ? to | HF_MOVED
			       : theirs.bank ? pt_kernel_root() | HF_MOVED
					     : from | HF_LAZY;

		mine += ours.bank != 0;
		other += theirs.bank != 0;
		wrong += result || (ours.bank && theirs.bank) || word != expected;
	}
	finding_is(f, !wrong && mine + other, "%u moved by one, %u by the other, %u wrong", mine,
		   other, wrong);
	lazy_end(c, &cpus);
}

/* M-RESET-1: the vCPU behind the last one that runs, if there is one, is not moved. */
static void vcpu_without_init(struct conform *c, const void *row, struct finding *f)
{
	struct detach_1 r =
		detach_1(probe_root(c->probes, 1), probe_root(c->probes, 0), HF_DETACH_MAX_US);
	u32 id = cpu_count();

	(void)row;
	hf_enable();
	r.head.bank_mask = 1ull << id / HF_BANK_BITS;
	r.bank = 1ull << id % HF_BANK_BITS;
	u64 gpa = request_place(c, PLACE_PAGE, &r, sizeof(r), 0, f);
	u64 result = hypercall_hyperflush(HF_CALL_DETACH, gpa, sizeof(r));
	const struct detach_1 *told = (const void *)c->request;

	if (result == (u64)HF_ESET)
		finding_skip(f, "no vCPU waits for its INIT");
	else
		finding_is(f, !result && !told->bank, "%#llx, bank %#llx",
			   (unsigned long long)result, (unsigned long long)told->bank);
}

static const struct check checks[] = {
	HF_PLAIN("detach.no-time", no_time),
	HF_PLAIN("detach.each-other", each_other),
	HF_PLAIN("detach.two-initiators", two_initiators),
	HF_PLAIN("reset.detach-of-vcpu-without-init", vcpu_without_init),
};

const struct check_table conform_hyperflush_detach_race = {
	.abi = "hyperflush",
	.lacking = lazy_lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
