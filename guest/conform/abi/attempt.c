/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/abi/check.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/flush/backend.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"

#define TRIALS	   3u	/* that must all show a flush */
#define MAX_TRIALS 600u /* of which one must show that there was none */
#define CONTROLS   20u	/* trials without a call that are stale while those with it are not */

struct trial {
	struct raw_call call;
	const char *unmade; /* why there was no call */
	u32 stale;	    /* slots of `cover` */
	u32 probes;	    /* that had one */
};

static bool controlled(const char *kind)
{
	char word[16];

	return cmdline_get("control", word, sizeof(word)) && !strcmp(word, kind);
}

static void make_call(const struct attempt *a, struct trial *t)
{
	if (controlled("no-call"))
		t->call.rax = a->result;
	else if (a->make)
		t->unmade = a->make(&t->call, a->arg);
	else
		raw_call(&t->call);
	if (controlled("flush"))
		flush_tlb(&(struct flush_request){ .targets = a->probes });
}

static struct trial try_call(struct conform *c, const struct attempt *a, bool really)
{
	struct trial t = { .call = a->call };

	probes_use(c->probes, &a->probes);
	probes_arm(c->probes);
	if (really)
		make_call(a, &t);
	t.stale = probes_look(c->probes, a->cover, &t.probes);
	return t;
}

static bool gave(const struct attempt *a, const struct raw_call *call, u64 result)
{
	return !call->fault && (call->rax & a->result_mask) == result;
}

/* Says how a call ended that was not to end so. True: as is known of an implementation. */
static void wrong_end(const struct attempt *a, const struct raw_call *call, struct finding *f)
{
	if (call->fault)
		finding_fail(f, "exception %llu, not %#llx", (unsigned long long)call->fault,
			     (unsigned long long)a->result);
	else if (a->known && gave(a, call, a->known_result))
		finding_deviates(f, "%#llx, not %#llx; %s",
				 (unsigned long long)(call->rax & a->result_mask),
				 (unsigned long long)a->result, a->known);
	else
		finding_fail(f, "%#llx, not %#llx",
			     (unsigned long long)(call->rax & a->result_mask),
			     (unsigned long long)a->result);
}

/* KVM since 6.2 with shadow paging loses Hyper-V flushes of several targets; the launcher knows. */
static bool known_lossy(const struct attempt *a)
{
	char word[4];

	return a->lossy && cpumask_weight(&a->probes) > 1 && !controlled("no-call") &&
	       cmdline_get("deviation", word, sizeof(word));
}

void attempt_serves(struct conform *c, const struct attempt *a, struct finding *f)
{
	u32 targets = cpumask_weight(&a->probes);

	for (u32 i = 0; i < TRIALS; i++) {
		struct trial t = try_call(c, a, true);

		if (t.unmade) {
			finding_fail(f, "%s", t.unmade);
			return;
		}
		if (!gave(a, &t.call, a->result)) {
			wrong_end(a, &t.call, f);
			return;
		}
		if (t.stale && known_lossy(a)) {
			finding_deviates(f,
					 "%u of %u CPUs stale; KVM with shadow paging "
					 "(docs/limits.md)",
					 t.probes, targets);
			return;
		}
		if (t.stale) {
			finding_fail(f, "trial %u: %u of %u CPUs stale, slots %#x", i, t.probes,
				     targets, t.stale);
			return;
		}
	}
	finding_pass(f, "%u calls, %u CPUs fresh", TRIALS, targets);
}

#define PATTERN 0xa5

static bool pages_changed(struct conform *c, const u8 *before)
{
	for (u32 i = 0; i < PAGE_SIZE; i++)
		if (c->output[i] != PATTERN)
			return true;
	return memcmp(c->request, before, 2 * PAGE_SIZE) != 0;
}

/* True: `t` is over as it must be, but for the probes. */
static bool ended_unchanged(struct conform *c, const struct attempt *a, const struct trial *t,
			    u64 vector, const u8 *before, struct finding *f)
{
	if (t->unmade) {
		finding_fail(f, "%s", t->unmade);
		return false;
	}
	if (pages_changed(c, before)) {
		finding_fail(f, "refused, but memory has changed");
		return false;
	}
	if (vector ? t->call.fault != vector : !gave(a, &t->call, a->result)) {
		if (vector && t->call.fault != vector)
			finding_fail(f, "exception %llu, result %#llx; not exception %llu",
				     (unsigned long long)t->call.fault,
				     (unsigned long long)t->call.rax, (unsigned long long)vector);
		else
			wrong_end(a, &t->call, f);
		return false;
	}
	return true;
}

/* True: `f` says how the call ended. False: it ended as it must, and the probes are fresh. */
static bool refused_once(struct conform *c, const struct attempt *a, u64 vector, const u8 *before,
			 struct finding *f)
{
	struct trial t = try_call(c, a, true);

	if (!ended_unchanged(c, a, &t, vector, before, f))
		return true;
	if (!t.stale)
		return false;
	if (vector)
		finding_pass(f, "exception %llu, nothing flushed or written",
			     (unsigned long long)vector);
	else
		finding_pass(f, "%#llx, nothing flushed or written", (unsigned long long)a->result);
	return true;
}

/*
 * A hypervisor that runs something else between may have emptied a probe's TLB, and does so now and
 * then: trials with the call and without take turns. If the call flushes nobody, that the first
 * CONTROLS stale ones are all without it has a chance of 2^-CONTROLS.
 */
static void refused(struct conform *c, const struct attempt *a, u64 vector, struct finding *f)
{
	u8 *before = kzalloc(2 * PAGE_SIZE);
	u32 trials = 0, stale = 0;
	bool over;

	memcpy(before, c->request, 2 * PAGE_SIZE);
	do {
		over = refused_once(c, a, vector, before, f);
		if (!over)
			stale += try_call(c, a, false).stale != 0;
	} while (!over && stale < CONTROLS && ++trials < MAX_TRIALS);
	if (!over && stale == CONTROLS)
		finding_fail(f, "refused, but flushed each time until %u without a call were stale",
			     stale);
	else if (!over)
		finding_fail(f, "no evidence: %u stale of %u without a call", stale, trials);
	kfree(before, 2 * PAGE_SIZE);
}

void attempt_refused(struct conform *c, const struct attempt *a, struct finding *f)
{
	refused(c, a, 0, f);
}

void attempt_faults(struct conform *c, const struct attempt *a, u64 vector, struct finding *f)
{
	refused(c, a, vector, f);
}

/* Going to ring 3 and back takes long: whether a probe is flushed meanwhile tells nothing. */
void attempt_from_user(struct conform *c, const struct attempt *a, enum raw_user how, u64 vector,
		       struct finding *f)
{
	struct raw_call call = a->call;

	(void)c;
	if (!raw_call_user(&call, how))
		finding_fail(f, "the program in ring 3 did not end as it should");
	else if (vector)
		finding_is(f, call.fault == vector, "exception %llu in ring 3",
			   (unsigned long long)call.fault);
	else if (gave(a, &call, a->result))
		finding_pass(f, "%#llx in ring 3", (unsigned long long)a->result);
	else
		wrong_end(a, &call, f);
}

void attempt_preserves(struct conform *c, const struct attempt *a, u32 volatile_mask,
		       struct finding *f)
{
	const u32 count = offsetof(struct raw_call, target) / sizeof(u64);
	struct raw_call call = a->call;
	const u64 *was = (const u64 *)&a->call, *is = (const u64 *)&call;

	probes_use(c->probes, &(struct cpumask){ 0 });
	raw_call(&call);
	if (!gave(a, &call, a->result)) {
		wrong_end(a, &call, f);
		return;
	}
	for (u32 i = 0; i < count; i++) {
		if (is[i] != was[i] && !(volatile_mask >> i & 1)) {
			finding_fail(f, "register %u of struct raw_call: %#llx, was %#llx", i,
				     (unsigned long long)is[i], (unsigned long long)was[i]);
			return;
		}
	}
	finding_pass(f, "registers come back as they were");
}

static u8 *tail_page(const struct conform *c)
{
	return phys_to_virt(c->edge.tail);
}

u64 request_place(struct conform *c, enum place place, const void *bytes, size_t len, size_t split,
		  struct finding *f)
{
	static const u32 offset[] = {
		[PLACE_PAGE] = 0, [PLACE_MISALIGNED] = 4, [PLACE_CROSSING] = PAGE_SIZE - 16
	};

	memset(c->request, PATTERN, 2 * PAGE_SIZE);
	memset(c->output, PATTERN, PAGE_SIZE);
	switch (place) {
	case PLACE_PAGE:
	case PLACE_MISALIGNED:
	case PLACE_CROSSING:
		memcpy(c->request + offset[place], bytes, len);
		return virt_to_phys(c->request) + offset[place];
	case PLACE_STRADDLING:
		if (c->edge.tail == PADDR_NONE) {
			finding_skip(f, "RAM does not end with a page that is free, and a hole");
			return 0;
		}
		memcpy(tail_page(c) + PAGE_SIZE - split, bytes, split);
		return c->edge.tail + PAGE_SIZE - split;
	case PLACE_BEYOND:
		return c->edge.beyond;
	case PLACE_WRAPPING:
		break;
	}
	return UINT64_MAX - 7;
}

bool check_has_cpus(u32 highest, struct finding *f)
{
	if (highest < cpu_count())
		return true;
	finding_skip(f, "needs %u CPUs, there are %u", highest + 1, cpu_count());
	return false;
}

bool launcher_says(const char *word)
{
	char rest[4];

	return cmdline_get(word, rest, sizeof(rest));
}

#define QEMU_SIGNATURE "TCGTCGTCGTCG" /* of QEMU's own emulation, without KVM */
#define QEMU_KNOWN \
	"QEMU's emulation ignores MSRs that it does not know (helper_rdmsr(), helper_wrmsr())"

/* Reads as 0, and stays so: nobody has taken what was written. */
static bool known_to_ignore(u32 msr)
{
	u64 value;

	return hypervisor_base(QEMU_SIGNATURE) && !try_rdmsr(msr, &value) && !value;
}

void msr_read_faults(u32 msr, struct finding *f)
{
	u64 value;
	u32 vector = try_rdmsr(msr, &value);

	if (!vector && known_to_ignore(msr))
		finding_deviates(f, "RDMSR %#x gives 0; " QEMU_KNOWN, msr);
	else if (!vector && launcher_says("loose"))
		finding_deviates(f, "RDMSR %#x gives %#llx; " LOOSE_KNOWN, msr,
				 (unsigned long long)value);
	else
		finding_is(f, vector == TRAP_GP, "RDMSR %#x: exception %u", msr, vector);
}

void msr_write_faults(u32 msr, u64 value, struct finding *f)
{
	u32 vector = try_wrmsr(msr, value);

	if (!vector && known_to_ignore(msr))
		finding_deviates(f, "WRMSR %#x does nothing; " QEMU_KNOWN, msr);
	else if (!vector && launcher_says("loose"))
		finding_deviates(f, "WRMSR %#x is served; " LOOSE_KNOWN, msr);
	else
		finding_is(f, vector == TRAP_GP, "WRMSR %#x of %#llx: exception %u", msr,
			   (unsigned long long)value, vector);
}
