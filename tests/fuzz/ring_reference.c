/* SPDX-License-Identifier: BSD-2-Clause */
#include "ring_reference.h"

#include "effects.h"
#include "reference.h"

#define ENTRY(index) (offsetof(struct hf_ring, entry) + (index) * sizeof(struct hf_ring_entry))

/* What the host may do next: */
static enum phase {
	NOTHING,
	ATTACH,	  /* begin a ring */
	COLLECT,  /* look at each tail, and read the entries */
	COMPLETE, /* after the flush */
	LISTEN,	  /* there was no entry: ask for the doorbell, and look once more */
} phase;

/* Of each vCPU: what has been taken, and what the pass has done so far. */
static struct one {
	size_t offset; /* NO_RING: none */
	uint32_t taken;
	uint32_t left; /* entries that were found and not taken yet */
	unsigned found;
	bool looked, overfull, completed, listened, more;
} rings[VCPUS];

static struct one *attaching, *current; /* the ring whose tail was read last */
static struct hf_ring_entry copy;	/* of its next entry, as far as it has been read */
static bool copied[sizeof(copy)];
static bool said_error, said_completed, said_need; /* during ATTACH */
static bool rings_for[RAM_PAGES]; /* need_doorbell is not 0, if the host has the last word */
static struct vcpu_set named;
static struct ring_totals seen;

void ring_reference_reset(void)
{
	for (unsigned i = 0; i < VCPUS; i++)
		rings[i] = (struct one){ .offset = NO_RING };
	seen = (struct ring_totals){ 0 };
	memset(rings_for, 0, sizeof(rings_for));
	phase = NOTHING;
}

void ring_reference_refuse(void)
{
	phase = NOTHING;
}

void ring_reference_attach(unsigned vcpu, size_t offset)
{
	attaching = &rings[vcpu];
	*attaching = (struct one){ .offset = offset };
	said_error = said_completed = said_need = false;
	phase = offset == NO_RING ? NOTHING : ATTACH;
}

void ring_reference_attached(void)
{
	MUST(phase == NOTHING || (attaching->looked && said_error && said_completed && said_need),
	     "a ring begins without tail, error, completed or need_doorbell");
	phase = NOTHING;
}

void ring_reference_begin(void)
{
	for (unsigned i = 0; i < VCPUS; i++)
		rings[i] = (struct one){ .offset = rings[i].offset, .taken = rings[i].taken };
	current = NULL;
	memset(copied, 0, sizeof(copied));
	memset(&copy, 0, sizeof(copy));
	named = (struct vcpu_set){ 0 };
	phase = COLLECT;
}

static bool not_looked(const struct one *r)
{
	return !r->looked;
}

static bool not_listened(const struct one *r)
{
	return !r->listened;
}

static bool not_completed(const struct one *r)
{
	return r->found && !r->completed;
}

static bool any(const struct one *r)
{
	(void)r;
	return true;
}

/* The lowest vCPU with that ring of which `what` is true. */
static struct one *ring_at(size_t offset, bool (*what)(const struct one *))
{
	for (unsigned i = 0; i < VCPUS; i++)
		if (rings[i].offset == offset && what(&rings[i]))
			return &rings[i];
	return NULL;
}

static void tail_loaded(size_t page, uint32_t tail)
{
	struct one *r;

	switch (phase) {
	case ATTACH:
		MUST(page == attaching->offset && !attaching->looked, "another ring's tail");
		attaching->looked = true;
		attaching->taken = tail;
		return;
	case COLLECT:
		r = ring_at(page, not_looked);
		MUST(r, "the tail of no ring, or read twice in a pass");
		MUST(!current || !current->left, "%u entries are left behind", current->left);
		current = r;
		r->looked = true;
		r->overfull = tail - r->taken > HF_RING_ENTRIES;
		r->left = r->overfull ? 0 : tail - r->taken;
		return;
	case LISTEN:
		r = ring_at(page, not_listened);
		MUST(r && rings_for[page / 4096], "a look at a tail before need_doorbell is set");
		r->listened = true;
		r->more = tail != r->taken;
		return;
	default:
		MUST(false, "a tail is read after the flush, or when no ring is due");
	}
}

/* `at`: in the page. The entry that is due, and where in it. */
static size_t in_entry(size_t page, size_t at)
{
	MUST(phase == COLLECT && current && current->offset == page && current->left,
	     "an entry of nobody, at %#zx", page + at);
	MUST((at - ENTRY(0)) / sizeof(copy) == current->taken % HF_RING_ENTRIES,
	     "another entry than the next, at %#zx", page + at);
	return (at - ENTRY(0)) % sizeof(copy);
}

static bool is_entry(size_t at, size_t bytes)
{
	return at >= ENTRY(0) && at + bytes <= sizeof(struct hf_ring);
}

void ring_reference_loaded(size_t offset, size_t bytes, uint64_t value)
{
	size_t page = offset & ~(size_t)4095, at = offset - page;

	if (at == offsetof(struct hf_ring, tail) && bytes == 4) {
		tail_loaded(page, (uint32_t)value);
		return;
	}
	MUST(is_entry(at, bytes), "a read of %zu bytes at %#zx", bytes, offset);
	at = in_entry(page, at);
	for (size_t i = at; i < at + bytes; i++) {
		MUST(!copied[i], "an entry is read twice");
		copied[i] = true;
	}
	memcpy((uint8_t *)&copy + at, &value, bytes);
}

/* M-RING-4, M-RING-11 */
static void check_status(int32_t status)
{
	struct vcpu_set set;
	bool long_one = copy.length > sizeof(copy.request), strong, good;

	good = !long_one && reference_call(&machine.mem, HF_CALL_FLUSH, copy.request, copy.length,
					   (unsigned)(current - rings), VCPUS, &set);
	strong = good && (copy.request[0] & HF_FLUSH_STRONG);
	if (long_one || strong)
		MUST(status == (strong ? HF_EFLAGS : HF_ESIZE), "%s, and the status is %d",
		     strong ? "STRONG" : "too long", status);
	else
		MUST(good == !status && status <= 0 && status >= HF_ERING,
		     "status %d of a request that is %s", status, good ? "good" : "bad");
	seen.ring_refused += status != 0;
	for (unsigned b = 0; !status && b < HF_MAX_BANKS; b++)
		named.bank[b] |= set.bank[b];
}

static void status_stored(size_t page, size_t at, int32_t status)
{
	MUST(in_entry(page, at) == offsetof(struct hf_ring_entry, status), "a write at %#zx",
	     page + at);
	check_status(status);
	memset(copied, 0, sizeof(copied));
	memset(&copy, 0, sizeof(copy));
	current->taken++;
	current->left--;
	current->found++;
	seen.ring_entries++;
}

/* M-RING-7, M-RING-10: whoever has had a kick has had one, and nobody was waited for. */
static void check_reached(void)
{
	MUST(!call_record.waits, "a pass waits for a vCPU");
	check_flushed(&named, false);
	for (unsigned i = 0; i < VCPUS; i++)
		MUST(machine.flush.targets[i].kicks - before.targets[i].kicks <= 1,
		     "vCPU %u is kicked more than once", i);
	MUST(same_slots() && same_msrs(), "a pass has changed more");
}

/* M-RING-5, M-RING-7: no completion before the flush of all that was found. */
static void completed_stored(size_t page, uint32_t completed)
{
	struct one *r;

	if (phase == ATTACH) {
		MUST(page == attaching->offset && completed == attaching->taken,
		     "a ring begins at %u", completed);
		said_completed = true;
		return;
	}
	for (unsigned i = 0; i < VCPUS; i++)
		MUST(rings[i].offset == NO_RING || (rings[i].looked && !rings[i].left),
		     "a completion before all rings are read");
	check_reached();
	r = ring_at(page, not_completed);
	MUST(r, "a completion of nothing");
	MUST(completed == r->taken, "%u are taken, %u completed", r->taken, completed);
	r->completed = true;
	phase = COMPLETE;
}

static void need_stored(size_t page, uint32_t need)
{
	if (phase == ATTACH) {
		MUST(page == attaching->offset && need, "a ring begins without need_doorbell");
		said_need = true;
	} else {
		MUST(phase != NOTHING && ring_at(page, any), "need_doorbell of no ring");
		if (need)
			phase = LISTEN;
	}
	rings_for[page / 4096] = need;
}

/* M-RING-9 */
static void error_stored(size_t page, int32_t error)
{
	if (phase == ATTACH) {
		MUST(page == attaching->offset && !error, "a ring begins with error %d", error);
		said_error = true;
		return;
	}
	MUST(phase == COLLECT && current && current->offset == page && current->overfull,
	     "error %d for a ring that is not overfull", error);
	MUST(error == HF_ERING, "error %d", error);
	current->offset = NO_RING;
	seen.ring_stopped++;
}

void ring_reference_stored(size_t offset, size_t bytes, uint64_t value)
{
	size_t page = offset & ~(size_t)4095, at = offset - page;

	MUST(bytes == 4, "a write of %zu bytes at %#zx", bytes, offset);
	if (is_entry(at, bytes))
		status_stored(page, at, (int32_t)value);
	else if (at == offsetof(struct hf_ring, completed))
		completed_stored(page, (uint32_t)value);
	else if (at == offsetof(struct hf_ring, need_doorbell))
		need_stored(page, (uint32_t)value);
	else if (at == offsetof(struct hf_ring, error))
		error_stored(page, (int32_t)value);
	else
		MUST(false, "a write at %#zx", offset);
}

static void check_counters(void)
{
	const struct ring_counters *have = &machine.rings.set.counters;

#define CHECK(name, what)                                                       \
	MUST(atomic_load(&have->name) == seen.name, #name " is %llu, not %llu", \
	     (unsigned long long)atomic_load(&have->name), (unsigned long long)seen.name);
	RING_COUNTERS(CHECK)
#undef CHECK
}

bool ring_reference_end(void)
{
	unsigned found = 0;
	bool more = false;

	for (unsigned i = 0; i < VCPUS; i++)
		found += rings[i].found;
	for (unsigned i = 0; i < VCPUS; i++) {
		const struct one *r = &rings[i];

		if (r->offset == NO_RING) {
			MUST(!r->found, "vCPU %u's ring is gone in the middle", i);
			continue;
		}
		MUST(r->looked && !r->left, "vCPU %u's ring is passed over", i);
		MUST(!r->overfull, "vCPU %u's ring is overfull, and goes on", i);
		MUST(!r->found == !r->completed, "vCPU %u's entries are not completed", i);
		MUST(found || (rings_for[r->offset / 4096] && r->listened),
		     "nobody listens to vCPU %u's ring", i);
		more |= r->more;
	}
	seen.ring_passes += found != 0;
	check_reached();
	check_counters();
	phase = NOTHING;
	return found || more;
}
