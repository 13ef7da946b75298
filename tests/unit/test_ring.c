/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/ring.c, one thread: entries in, one request to the flush service, statuses and indices
 * out. The order of its steps: test_ring_model.c. Each mutant in mutants/ring/ must fail here.
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/ring.h"

#define VCPUS 70u
#define START 0xfffffff8u /* the index wraps within each test that posts more than 8 */

static struct flush_target *targets;
static struct flush_service service;
static struct ring_set set;
static struct hf_ring *pages; /* of each vCPU */
static struct ring rings[VCPUS];
static unsigned kicks, barriers;
static uint32_t completed_at_kick;
static void (*at_kick)(void);

static void kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	(void)vcpu;
	kicks++;
	completed_at_kick = pages[0].completed;
	if (at_kick)
		at_kick();
}

static void barrier(void *ctx)
{
	(void)ctx;
	barriers++;
}

static int setup(void **state)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };

	(void)state;
	targets = aligned_alloc(64, VCPUS * sizeof(*targets));
	pages = aligned_alloc(64, VCPUS * sizeof(*pages));
	assert_true(targets && pages);
	memset(targets, 0, VCPUS * sizeof(*targets));
	memset(pages, 0, VCPUS * sizeof(*pages));
	memset(rings, 0, sizeof(rings));
	service = (struct flush_service){ .targets = targets, .count = VCPUS, .ops = &ops };
	set = (struct ring_set){ .rings = rings, .count = VCPUS };
	kicks = barriers = 0;
	at_kick = NULL;
	for (unsigned i = 0; i < 4; i++) {
		pages[i].tail = START;
		ring_attach(&set, i, &pages[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(targets);
	free(pages);
	return 0;
}

/* The slot of the entry that was posted. */
static struct hf_ring_entry *post(unsigned vcpu, const void *request, size_t length)
{
	struct hf_ring *p = &pages[vcpu];
	struct hf_ring_entry *e = &p->entry[p->tail % HF_RING_ENTRIES];

	memset(e, 0, sizeof(*e));
	memcpy(e->request, request, length < sizeof(e->request) ? length : sizeof(e->request));
	e->length = (uint32_t)length;
	e->status = 0x5a5a;
	p->tail++;
	return e;
}

static struct hf_ring_entry *post_one(unsigned vcpu, unsigned target)
{
	struct {
		struct hf_flush head;
		uint64_t bank;
		struct hf_range range;
	} r = { .head = { .range_count = 1, .bank_mask = 1ull << (target / HF_BANK_BITS) },
		.bank = 1ull << (target % HF_BANK_BITS),
		.range = { .root = HF_ROOT_ANY, .count = 1, .page_shift = HF_PAGE_4K } };

	return post(vcpu, &r, sizeof(r));
}

static struct hf_ring_entry *post_kind(unsigned vcpu, uint16_t kind)
{
	const struct hf_flush r = { .set_kind = kind };

	return post(vcpu, &r, sizeof(r));
}

static unsigned pending(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VCPUS; i++)
		n += targets[i].pending;
	return n;
}

/* M-RING-2 */
static void begins_where_tail_is(void **state)
{
	(void)state;
	pages[9].tail = 1000;
	pages[9].error = 77;
	ring_attach(&set, 9, &pages[9]);
	assert_int_equal(pages[9].completed, 1000);
	assert_int_equal(pages[9].need_doorbell, 1);
	assert_s64(pages[9].error, HF_OK);
	assert_int_equal(ring_serve(&set, &service), 0);
	assert_int_equal(barriers, 0);
}

/* Entries before the wrap of the index and behind it. M-RING-4, M-RING-5, M-RING-6. */
static void one_after_the_other(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		struct hf_ring_entry *e = post_one(0, 60 + i % 10);

		assert_int_equal(ring_serve(&set, &service), 1);
		assert_s64(e->status, HF_OK);
		assert_int_equal(pages[0].completed, START + i + 1);
		assert_int_equal(targets[60 + i % 10].pending, 1);
		assert_int_equal(pending(), 1);
		targets[60 + i % 10].pending = 0;
	}
	assert_int_equal(set.counters.ring_entries, 40);
	assert_int_equal(set.counters.ring_passes, 40);
	assert_int_equal(set.counters.ring_refused, 0);
}

/* However many entries, each target in the guest is kicked once, with one barrier. M-RING-7,
 * M-RING-10 */
static void all_rings_in_one_pass(void **state)
{
	(void)state;
	for (unsigned t = 4; t < 8; t++)
		flush_enter(&targets[t]);
	for (unsigned v = 0; v < 4; v++) {
		for (unsigned i = 0; i < 8; i++)
			post_one(v, 4 + (v + i) % 5); /* 8 is outside */
	}
	assert_int_equal(ring_serve(&set, &service), 32);
	assert_int_equal(kicks, 4);
	assert_int_equal(barriers, 1);
	assert_int_equal(pending(), 5);
	for (unsigned v = 0; v < 4; v++)
		assert_int_equal(pages[v].completed, START + 8);
	assert_int_equal(pages[4].completed, 0);
	assert_int_equal(ring_serve(&set, &service), 0);
	assert_int_equal(set.counters.ring_passes, 1);
}

/* M-RING-5 */
static void completed_after_the_flush(void **state)
{
	(void)state;
	flush_enter(&targets[5]);
	post_one(0, 5);
	assert_int_equal(ring_serve(&set, &service), 1);
	assert_int_equal(kicks, 1);
	assert_int_equal(completed_at_kick, START);
	assert_int_equal(pages[0].completed, START + 1);
}

static void full_ring(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HF_RING_ENTRIES; i++)
		post_one(0, 30 + i);
	assert_int_equal(ring_serve(&set, &service), HF_RING_ENTRIES);
	assert_int_equal(pending(), HF_RING_ENTRIES);
	assert_int_equal(pages[0].completed, START + HF_RING_ENTRIES);
	assert_s64(pages[0].error, HF_OK);
}

/* M-RING-9 */
static void overfull_ring_is_stopped(void **state)
{
	static const uint32_t steps[] = { HF_RING_ENTRIES + 1, 1u << 31, UINT32_MAX };

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(steps); i++) {
		struct hf_ring *p = &pages[i];

		p->tail += steps[i];
		post_one(3, 20 + i);
		assert_int_equal(ring_serve(&set, &service), 1); /* the other one's */
		assert_s64(p->error, HF_ERING);
		assert_int_equal(p->completed, START);
		p->tail = START + 1;
		assert_int_equal(ring_serve(&set, &service), 0);
		assert_false(ring_listen(&set));
		ring_attach(&set, i, p);
		assert_s64(p->error, HF_OK);
		post_one(i, 40 + i);
		assert_int_equal(ring_serve(&set, &service), 1);
	}
	assert_int_equal(pending(), 6);
	assert_int_equal(set.counters.ring_stopped, COUNT_OF(steps));
}

/* Each gets its own answer, and the others are carried out. M-RING-4. */
static void refused_entries(void **state)
{
	const struct hf_flush strong = { .set_kind = HF_SET_ALL, .flags = HF_FLUSH_STRONG };
	const struct hf_flush flags = { .set_kind = HF_SET_ALL, .flags = 2 };
	const struct hf_flush kind = { .set_kind = 3 };
	uint8_t large[HF_RING_REQUEST_BYTES + 8] = { 0 };

	(void)state;
	struct hf_flush banks = { .bank_mask = 0xfff }; /* as long as it says, but for the slot */

	memcpy(large, &banks, sizeof(banks));
	const struct hf_ring_entry *e[] = {
		post(0, &strong, sizeof(strong)), post(0, &flags, sizeof(flags)),
		post(0, &kind, sizeof(kind)),	  post(0, large, sizeof(large)),
		post(0, large, UINT32_MAX),	  post(0, large, 0),
		post_one(0, VCPUS - 1),
	};
	static const int64_t want[] = { HF_EFLAGS, HF_EFLAGS, HF_ESET, HF_ESIZE,
					HF_ESIZE,  HF_ESIZE,  HF_OK };

	assert_int_equal(ring_serve(&set, &service), COUNT_OF(e));
	for (unsigned i = 0; i < COUNT_OF(e); i++)
		assert_s64(e[i]->status, want[i]);
	assert_int_equal(pending(), 1);
	assert_int_equal(targets[VCPUS - 1].pending, 1);
	assert_int_equal(pages[0].completed, START + COUNT_OF(e));
	assert_int_equal(set.counters.ring_refused, 6);
}

/* The largest request that fits: a range and seven banks, of which two can name somebody. */
static void largest_request(void **state)
{
	struct {
		struct hf_flush head;
		uint64_t bank[7];
		struct hf_range range;
	} r = { .head = { .range_count = 1, .bank_mask = 0x7f },
		.bank = { 2, 4 },
		.range = { .root = HF_ROOT_ANY, .count = 1, .page_shift = HF_PAGE_2M } };

	(void)state;
	_Static_assert(sizeof(r) == HF_RING_REQUEST_BYTES, "what docs/abi.md says fits");
	struct hf_ring_entry *e = post(0, &r, sizeof(r));

	assert_int_equal(ring_serve(&set, &service), 1);
	assert_s64(e->status, HF_OK);
	assert_true(targets[1].pending && targets[66].pending && pending() == 2);
}

#define MANY 512u /* MACHINE_MAX_VCPUS */

/* Each vCPU has a full ring, and names its neighbour; the last bit of the last bank is somebody. */
static void largest_machine(void **state)
{
	struct flush_target *many = aligned_alloc(64, MANY * sizeof(*many));
	struct hf_ring *their_pages = aligned_alloc(64, MANY * sizeof(*their_pages)), *mine = pages;
	struct ring *their_rings = test_calloc(MANY, sizeof(*their_rings));

	(void)state;
	assert_true(many && their_pages);
	memset(many, 0, MANY * sizeof(*many));
	memset(their_pages, 0, MANY * sizeof(*their_pages));
	service.targets = many;
	service.count = set.count = MANY;
	set.rings = their_rings;
	pages = their_pages;
	for (unsigned i = 0; i < MANY; i++) {
		ring_attach(&set, i, &pages[i]);
		flush_enter(&many[i]);
		for (unsigned n = 0; n < HF_RING_ENTRIES; n++)
			post_one(i, (i + 1) % MANY);
	}
	assert_int_equal(ring_serve(&set, &service), MANY * HF_RING_ENTRIES);
	assert_int_equal(kicks, MANY);
	assert_int_equal(barriers, 1);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(many[i].pending, 1);
		assert_int_equal(pages[i].completed, HF_RING_ENTRIES);
		assert_s64(pages[i].entry[HF_RING_ENTRIES - 1].status, HF_OK);
	}
	pages = mine;
	free(many);
	free(their_pages);
	test_free(their_rings);
}

/* M-RING-11 */
static void the_caller_is_the_rings_vcpu(void **state)
{
	(void)state;
	post_kind(2, HF_SET_ALL_BUT_SELF);
	assert_int_equal(ring_serve(&set, &service), 1);
	assert_int_equal(pending(), VCPUS - 1);
	assert_int_equal(targets[2].pending, 0);
	post_kind(1, HF_SET_ALL);
	assert_int_equal(ring_serve(&set, &service), 1);
	assert_int_equal(pending(), VCPUS);
}

/* An entry that flushes nobody is an entry. */
static void empty_set(void **state)
{
	(void)state;
	struct hf_ring_entry *e = post_kind(0, HF_SET_BANKS);

	assert_int_equal(ring_serve(&set, &service), 1);
	assert_s64(e->status, HF_OK);
	assert_int_equal(pages[0].completed, START + 1);
	assert_int_equal(pending(), 0);
}

/* M-RING-3 */
static void ring_that_was_taken_away(void **state)
{
	struct hf_ring before;

	(void)state;
	post_one(0, 5);
	ring_attach(&set, 0, NULL);
	before = pages[0];
	ring_quiet(&set);
	assert_int_equal(ring_serve(&set, &service), 0);
	assert_false(ring_listen(&set));
	assert_memory_equal(&pages[0], &before, sizeof(before));
	assert_int_equal(pending(), 0);
	/* And one that moves. */
	post_one(1, 5);
	ring_attach(&set, 1, &pages[9]);
	before = pages[1];
	assert_int_equal(ring_serve(&set, &service), 0);
	assert_memory_equal(&pages[1], &before, sizeof(before));
}

/* M-RING-8 */
static void who_has_to_ring(void **state)
{
	(void)state;
	ring_quiet(&set);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pages[i].need_doorbell, 0);
	assert_false(ring_listen(&set));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pages[i].need_doorbell, 1);
	assert_int_equal(pages[4].need_doorbell, 0); /* nobody's ring */
	post_one(3, 5);
	assert_true(ring_listen(&set));
	assert_int_equal(ring_serve(&set, &service), 1);
	assert_false(ring_listen(&set));
}

static void rewrite(void)
{
	for (unsigned i = 0; i < 4; i++)
		memset(&pages[i], 0xa5, sizeof(pages[i]));
}

/* The guest overwrites all its rings while they are served. M-RING-6. */
static void rewritten_meanwhile(void **state)
{
	(void)state;
	at_kick = rewrite;
	flush_enter(&targets[5]);
	for (unsigned i = 0; i < 4; i++)
		post_one(i, 5 + i);
	assert_int_equal(ring_serve(&set, &service), 4);
	assert_int_equal(pending(), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pages[i].completed, START + 1); /* our own index, not the page's */
	assert_int_equal(ring_serve(&set, &service), 0);
	assert_int_equal(set.counters.ring_stopped, 4);
	assert_int_equal(pending(), 4);
}

static void post_another(void)
{
	post_one(0, 6);
}

/* What is posted during the flush is not complete with it. M-RING-5. */
static void posted_meanwhile(void **state)
{
	(void)state;
	at_kick = post_another;
	flush_enter(&targets[5]);
	post_one(0, 5);
	assert_int_equal(ring_serve(&set, &service), 1);
	assert_int_equal(pages[0].completed, START + 1);
	assert_int_equal(targets[6].pending, 0);
	assert_true(ring_listen(&set));
	assert_int_equal(ring_serve(&set, &service), 1);
	assert_int_equal(pages[0].completed, START + 2);
	assert_int_equal(targets[6].pending, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(begins_where_tail_is),
		TEST(one_after_the_other),
		TEST(all_rings_in_one_pass),
		TEST(completed_after_the_flush),
		TEST(full_ring),
		TEST(overfull_ring_is_stopped),
		TEST(refused_entries),
		TEST(largest_request),
		TEST(largest_machine),
		TEST(the_caller_is_the_rings_vcpu),
		TEST(empty_set),
		TEST(ring_that_was_taken_away),
		TEST(who_has_to_ring),
		TEST(rewritten_meanwhile),
		TEST(posted_meanwhile),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
