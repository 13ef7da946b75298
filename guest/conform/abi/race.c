/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/abi/race.h"

#include "guest/cpu/msr.h"
#include "shared/hyperflush_abi.h"

#define ROUNDS	     64u
#define UNKNOWN_FLAG (1ull << 1)

struct racer {
	u64 *word;
	u32 begun, end;
};

/* Not in step with anything. */
static u32 random_below(u32 n)
{
	static u64 state = 1; /* two CPUs may draw the same number: that does no harm */

	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(state >> 33) % n;
}

static u64 change_it(void *arg)
{
	struct racer *r = arg;
	u64 good = __atomic_load_n(r->word, __ATOMIC_RELAXED), turns = 0;

	__atomic_store_n(&r->begun, 1, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&r->end, __ATOMIC_RELAXED)) {
		__atomic_store_n(r->word, good ^ (turns++ & 1 ? 0 : UNKNOWN_FLAG),
				 __ATOMIC_RELAXED);
		for (u32 i = random_below(1024); i; i--)
			__asm__ volatile("" ::: "memory"); /* no PAUSE: emulators switch there */
	}
	__atomic_store_n(r->word, good, __ATOMIC_RELAXED);
	return turns;
}

struct results {
	u32 served, refused, stale, other;
};

static void count(struct results *r, u64 result, u32 stale)
{
	if (!result) {
		r->served++;
		r->stale += stale != 0;
	} else if (result == (u64)HF_EFLAGS) {
		r->refused++;
	} else {
		r->other++;
	}
}

/* NULL, or why there was no call. */
static const char *one_round(struct conform *c, const struct attempt *a, u64 *word,
			     struct results *r)
{
	struct racer racer = { .word = word };
	struct raw_call call = a->call;
	const char *why = NULL;

	probes_arm(c->probes);
	probe_post(c->probes, 2, change_it, &racer);
	while (!__atomic_load_n(&racer.begun, __ATOMIC_RELAXED))
		cpu_pause();
	for (u32 i = random_below(64); i; i--)
		cpu_pause();
	if (a->make)
		why = a->make(&call, a->arg);
	else
		raw_call(&call);
	__atomic_store_n(&racer.end, 1, __ATOMIC_RELAXED);
	probe_wait(c->probes, 2);
	probes_look(c->probes, PROBE_ALL, NULL);
	count(r, call.rax, probe_stale(c->probes, 1));
	/* cppcheck-suppress returnDanglingLifetime ; it does not point to `call` */
	return why;
}

void race_check(struct conform *c, const struct attempt *a, race_prepare *prepare, void *arg,
		struct finding *f)
{
	struct cpumask cpus = { 0 };
	struct results r = { 0 };
	const char *why = NULL;

	if (!check_has_cpus(2, f))
		return;
	cpumask_set(&cpus, 1);
	cpumask_set(&cpus, 2);
	probes_use(c->probes, &cpus);
	for (u32 i = 0; i < ROUNDS && !why; i++)
		why = one_round(c, a, prepare(arg), &r);
	if (why)
		finding_fail(f, "%s", why);
	else if (r.other || r.stale)
		finding_fail(f, "%u served, %u of them without a flush; %u refused, %u otherwise",
			     r.served, r.stale, r.refused, r.other);
	else
		finding_is(f, r.served && r.refused, "%u served and flushed, %u refused", r.served,
			   r.refused);
}
