/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/harness.c: a page of guest RAM in, the reply in the same page out. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake_kvm.h"
#include "vmm/harness.h"
#include "vmm/machine.h"

#define VCPUS	  3u
#define RAM_BYTES (1u << 20)
#define PAGE	  0x8000u
#define SAMPLES	  0x9ff8u /* across a page boundary */
#define KHZ	  1234567

static struct machine machine;
static struct machine_options options;
static struct harness harness;
static struct vcpu vcpus[VCPUS];

/* Stand-ins for vmm/stats.c. */
static struct {
	int error;
	uint64_t blocking;
} stats;

int stats_read(struct machine *m, struct harness_stats *out)
{
	assert_ptr_equal(m, &machine);
	*out = (struct harness_stats){ .exits = 11, .irq_injections = 22 };
	return stats.error;
}

int stats_read_blocking(const struct vcpu *v, uint64_t *now)
{
	assert_ptr_equal(v, &vcpus[VCPUS - 1]);
	*now = stats.blocking;
	return stats.error;
}

/* What the last record or refusal handed over. */
static struct {
	int status; /* to return */
	unsigned calls, refusals;
	uint32_t count, tsc_khz;
	struct harness_sample first;
	char name[sizeof(((struct harness_record *)0)->name)];
} kept;

static int keep(void *ctx, const struct harness_record *record, const struct harness_place *place,
		const struct harness_sample *samples, uint32_t count, uint32_t tsc_khz)
{
	assert_ptr_equal(ctx, &kept);
	assert_int_equal(place->placement, record->placement);
	kept.calls++;
	kept.count = count;
	kept.tsc_khz = tsc_khz;
	if (count)
		kept.first = samples[0];
	memcpy(kept.name, record->name, sizeof(kept.name));
	return kept.status;
}

static void keep_refusal(void *ctx, const struct harness_place *place, const char *reason)
{
	assert_ptr_equal(ctx, &kept);
	assert_int_equal(place->placement, HARNESS_OWN_CPU);
	assert_true(strlen(reason) > 0);
	kept.refusals++;
}

static int setup(void **state)
{
	(void)state;
	memset(&machine, 0, sizeof(machine));
	memset(&kept, 0, sizeof(kept));
	memset(&stats, 0, sizeof(stats));
	fake_kvm.tsc_khz = KHZ;
	options = (struct machine_options){ .harness = &harness };
	machine.options = &options;
	machine.vcpu_count = VCPUS;
	machine.vcpus = vcpus;
	for (unsigned i = 0; i < VCPUS; i++)
		vcpus[i] = (struct vcpu){ .machine = &machine, .index = i };
	if (gmem_create(&machine.mem, RAM_BYTES) || harness_init(&harness))
		return -1;
	harness.record = keep;
	harness.refused = keep_refusal;
	harness.ctx = &kept;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	harness_destroy(&harness);
	gmem_destroy(&machine.mem);
	return 0;
}

static struct harness_page *page(void)
{
	return gmem_ptr(&machine.mem, PAGE, sizeof(struct harness_page));
}

/* Sends *request; the reply stays in page(). A refusal has a reason, and nothing else has one. */
static int send(const struct harness_page *request)
{
	*page() = *request;
	page()->status = 99;
	memset(page()->text, 'x', sizeof(page()->text));
	uint64_t errors = counter_read(&vcpus[0].counters.harness_errors);

	assert_int_equal(harness_out(&vcpus[0], PAGE), 0);
	/* The guest's mistakes are counted, what the host cannot do is not. */
	bool mistake = page()->status != HARNESS_EOK && page()->status != HARNESS_ENOTSUP;

	assert_int_equal(counter_read(&vcpus[0].counters.harness_errors), errors + mistake);
	assert_non_null(memchr(page()->text, 0, sizeof(page()->text)));
	assert_int_equal(page()->status != HARNESS_EOK, page()->text[0] != 0);
	return page()->status;
}

/* Spans 100 to 200 and 300 to 400, as if a rival had run and ended. */
static void make_spans(void)
{
	struct placement *p = &harness.placement;

	p->spans = calloc(2, sizeof(*p->spans));
	assert_non_null(p->spans);
	p->spans[0] = (struct rival_span){ 100, 200 };
	p->spans[1] = (struct rival_span){ 300, 400 };
	p->span_count = 2;
	harness.placed = (struct harness_place){ .placement = HARNESS_DESCHEDULED };
}

static void put_samples(const struct harness_sample *samples, size_t count)
{
	assert_int_equal(gmem_write(&machine.mem, SAMPLES, samples, count * sizeof(*samples)), 0);
}

static int judge(uint64_t gpa, uint32_t count)
{
	struct harness_page request = {
		.op = HARNESS_JUDGE,
		.judge = { .samples_gpa = gpa,
			   .sample_count = count,
			   .at_call = UINT64_MAX,
			   .throughout = UINT64_MAX },
	};

	return send(&request);
}

static void judges_each_sample(void **state)
{
	static const struct {
		struct harness_sample sample;
		bool at_call, throughout;
	} cases[] = {
		{ { .start = 99, .ticks = 1 }, false, false },
		{ { .start = 100, .ticks = 100 }, true, true },
		{ { .start = 100, .ticks = 101 }, true, false },
		{ { .start = 150, .ticks = 0 }, true, true },
		{ { .start = 150, .ticks = 200 }, true, false },
		{ { .start = 201, .ticks = 99 }, false, false },
		{ { .start = 400, .ticks = 0 }, true, true },
		{ { .start = 400, .ticks = UINT64_MAX }, true, false },
		{ { .start = 350, .ticks = UINT64_MAX - 349 }, true, false }, /* would end at 0 */
		{ { .start = 350, .ticks = UINT64_MAX - 9 }, true, false },   /* would end at 340 */
	};
	struct harness_sample samples[COUNT_OF(cases)];
	uint64_t at_call = 0, throughout = 0;

	(void)state;
	make_spans();
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		samples[i] = cases[i].sample;
		at_call |= (uint64_t)cases[i].at_call << i;
		throughout |= (uint64_t)cases[i].throughout << i;
	}
	put_samples(samples, COUNT_OF(samples));
	assert_int_equal(judge(SAMPLES, COUNT_OF(samples)), HARNESS_EOK);
	assert_int_equal(page()->judge.at_call, at_call);
	assert_int_equal(page()->judge.throughout, throughout);
}

static void judges_as_many_as_bits(void **state)
{
	struct harness_sample samples[HARNESS_MAX_JUDGED];

	(void)state;
	make_spans();
	for (unsigned i = 0; i < COUNT_OF(samples); i++)
		samples[i] = (struct harness_sample){ .start = i % 3 ? 250 : 310,
						      .ticks = i % 2 ? 10 : 1000 };
	put_samples(samples, COUNT_OF(samples));
	assert_int_equal(judge(SAMPLES, COUNT_OF(samples)), HARNESS_EOK);
	assert_int_equal(page()->judge.at_call, 0x9249249249249249);
	assert_int_equal(page()->judge.throughout, 0x8208208208208208);
}

/* A bit is a fact: a refused request has none. */
static void refuses_to_judge(void **state)
{
	static const struct {
		uint64_t gpa;
		uint32_t count;
	} cases[] = {
		{ SAMPLES, 0 },
		{ SAMPLES, HARNESS_MAX_JUDGED + 1 },
		{ SAMPLES, UINT32_MAX },
		{ RAM_BYTES, 1 },
		{ RAM_BYTES - sizeof(struct harness_sample), 2 },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX - 15, 2 },
		{ GMEM_HOLE_START, 1 },
	};

	(void)state;
	make_spans();
	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		assert_s64(judge(cases[i].gpa, cases[i].count), HARNESS_EINVAL);
		assert_int_equal(page()->judge.at_call, 0);
		assert_int_equal(page()->judge.throughout, 0);
	}
	for (unsigned kind = 0; kind < HARNESS_DESCHEDULED; kind++) {
		harness.placed.placement = kind;
		assert_s64(judge(SAMPLES, 1), HARNESS_EINVAL);
		assert_int_equal(page()->judge.at_call, 0);
	}
}

/* A thread is missing or cannot be bound: then nothing is in force, whatever was before. */
static void failed_placement_is_none(void **state)
{
	struct harness_page request = {
		.op = HARNESS_PLACE,
		.place = { .placement = HARNESS_OWN_CPU, .vcpus = VCPUS + 1 },
	};

	(void)state;
	make_spans();
	assert_s64(send(&request), HARNESS_EINVAL); /* no threads */
	assert_int_equal(harness.placed.placement, 0);
	harness.placed.placement = HARNESS_DESCHEDULED;
	for (unsigned i = 0; i < VCPUS; i++)
		atomic_store(&vcpus[i].tid, 1);
	assert_s64(send(&request), HARNESS_EINVAL);
	assert_int_equal(harness.placed.placement, 0);
	assert_s64(judge(SAMPLES, 1), HARNESS_EINVAL);
	assert_int_equal(kept.refusals, 0);
	harness.placement.cpu_count = 1;
	request.place.vcpus = VCPUS;
	assert_s64(send(&request), HARNESS_ENOTSUP);
	assert_int_equal(kept.refusals, 1);
}

static int stop(uint64_t words, uint32_t first, uint32_t count, uint32_t shortest, uint32_t longest)
{
	struct harness_page request = { .op = HARNESS_STOP,
					.stops = { .words_gpa = words,
						   .first = first,
						   .count = count,
						   .shortest_us = shortest,
						   .longest_us = longest } };

	return send(&request);
}

static int stop_end(void)
{
	struct harness_page request = { .op = HARNESS_STOP_END };

	return send(&request);
}

static void refuses_to_stop(void **state)
{
	static const struct {
		uint64_t words;
		uint32_t first, count, shortest, longest;
	} cases[] = {
		{ SAMPLES, 0, 0, 1, 1 },
		{ SAMPLES, 0, 3, 1, 1 }, /* 2 are bound */
		{ SAMPLES, 2, 1, 1, 1 },
		{ SAMPLES, 1, UINT32_MAX, 1, 1 },
		{ SAMPLES, 0, 1, 0, 0 },
		{ SAMPLES, 0, 1, 2, 1 },
		{ SAMPLES, 0, 1, 1, HARNESS_MAX_STOP_US + 1 },
		{ SAMPLES, 0, 1, UINT32_MAX, UINT32_MAX },
		{ SAMPLES + 4, 0, 1, 1, 1 },
		{ RAM_BYTES - 8, 0, 1, 1, 1 }, /* a word for each that is bound */
		{ UINT64_MAX - 7, 0, 1, 1, 1 },
		{ GMEM_HOLE_START, 0, 1, 1, 1 },
	};

	(void)state;
	assert_s64(stop(SAMPLES, 0, 1, 1, 1), HARNESS_EINVAL); /* nothing is placed */
	harness.placed = (struct harness_place){ HARNESS_OWN_CPU, 2, 2, 1 };
	for (unsigned i = 0; i < COUNT_OF(cases); i++)
		assert_s64(stop(cases[i].words, cases[i].first, cases[i].count, cases[i].shortest,
				cases[i].longest),
			   HARNESS_EINVAL);
	assert_s64(stop_end(), HARNESS_EINVAL);
}

/* ENOTSUP: not with our rights. A placement that fails ends it too. */
static void stops_until_placed(void **state)
{
	struct harness_page request = { .op = HARNESS_PLACE };

	(void)state;
	harness.placed = (struct harness_place){ HARNESS_OVERCOMMITTED, 2, 1, 2 };
	int64_t status = stop(SAMPLES, 0, 2, 1, 1);
	if (status == HARNESS_ENOTSUP)
		skip();
	assert_s64(status, HARNESS_EOK);
	assert_s64(stop_end(), HARNESS_EOK);
	assert_s64(stop_end(), HARNESS_EINVAL);
	assert_s64(stop(SAMPLES, 0, 2, 1, 1), HARNESS_EOK);
	assert_s64(send(&request), HARNESS_EINVAL);
	assert_s64(stop_end(), HARNESS_EINVAL);
}

static int record(uint32_t placement, uint64_t gpa, uint32_t count)
{
	struct harness_page request = {
		.op = HARNESS_RECORD,
		.record = { .placement = placement, .samples_gpa = gpa, .sample_count = count },
	};

	memset(request.record.name, 'n', sizeof(request.record.name));
	return send(&request);
}

static void records_those_off_cpu(void **state)
{
	static const struct harness_sample samples[] = { { .start = 99, .ticks = 7 },
							 { .start = 300, .ticks = 8, .skipped = 2 },
							 { .start = 401, .ticks = 9 } };

	(void)state;
	make_spans();
	put_samples(samples, COUNT_OF(samples));
	assert_int_equal(record(HARNESS_DESCHEDULED, SAMPLES, 3), HARNESS_EOK);
	assert_int_equal(kept.count, 1);
	assert_int_equal(kept.first.ticks, 8);
	assert_int_equal(kept.first.skipped, 2);
	assert_int_equal(kept.tsc_khz, KHZ);
	assert_int_equal(strlen(kept.name), sizeof(kept.name) - 1);
	assert_int_equal(record(HARNESS_DESCHEDULED, SAMPLES, 1), HARNESS_EOK);
	assert_int_equal(kept.count, 0);
	harness.placed.placement = HARNESS_OWN_CPU;
	assert_int_equal(record(HARNESS_OWN_CPU, SAMPLES, 3), HARNESS_EOK);
	assert_int_equal(kept.count, 3);
}

static void refuses_records(void **state)
{
	(void)state;
	assert_s64(record(0, SAMPLES, 1), HARNESS_EINVAL); /* nothing is in force */
	make_spans();
	assert_s64(record(HARNESS_OWN_CPU, SAMPLES, 1), HARNESS_EINVAL);
	assert_s64(record(HARNESS_DESCHEDULED, SAMPLES, 0), HARNESS_EINVAL);
	assert_s64(record(HARNESS_DESCHEDULED, SAMPLES, HARNESS_MAX_SAMPLES + 1), HARNESS_EINVAL);
	assert_s64(record(HARNESS_DESCHEDULED, RAM_BYTES - 8, 1), HARNESS_EINVAL);
	harness.record = NULL;
	assert_s64(record(HARNESS_DESCHEDULED, SAMPLES, 1), HARNESS_ENOTSUP);
	assert_int_equal(kept.calls, 0);
}

static void refuses_too_many_records(void **state)
{
	static const struct harness_sample sample = { .start = 300, .ticks = 8 };

	(void)state;
	make_spans();
	put_samples(&sample, 1);
	assert_int_equal(record(HARNESS_DESCHEDULED, SAMPLES, 1), HARNESS_EOK);
	kept.status = HARNESS_ENOSPC;
	assert_s64(record(HARNESS_DESCHEDULED, SAMPLES, 1), HARNESS_ENOSPC);
	assert_int_equal(kept.calls, 2);
}

static void statistics(void **state)
{
	struct harness_page request = { .op = HARNESS_STATS };

	(void)state;
	assert_int_equal(send(&request), HARNESS_EOK);
	assert_int_equal(page()->stats.irq_injections, 22);
	stats.error = -EIO;
	assert_s64(send(&request), HARNESS_ENOTSUP);
	stats.error = 0;
	machine.stats.irq_injections = -1; /* this kernel has no such statistic */
	assert_s64(send(&request), HARNESS_ENOTSUP);
}

static void blocked(void **state)
{
	struct harness_page request = { .op = HARNESS_BLOCKED, .blocked = { .vcpu = VCPUS - 1 } };

	(void)state;
	for (stats.blocking = 0; stats.blocking < 2; stats.blocking++) {
		assert_int_equal(send(&request), HARNESS_EOK);
		assert_int_equal(page()->blocked.now, stats.blocking);
	}
	stats.error = -ENOENT;
	assert_s64(send(&request), HARNESS_ENOTSUP);
	request.blocked.vcpu = VCPUS;
	assert_s64(send(&request), HARNESS_EINVAL);
}

static void unknown_requests(void **state)
{
	static const uint32_t ops[] = { 0, HARNESS_STOP_END + 1, UINT32_MAX };

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(ops); i++) {
		struct harness_page request = { .op = ops[i] };

		assert_s64(send(&request), HARNESS_EINVAL);
	}
}

/* Neither answered nor touched. */
static void page_outside_ram(void **state)
{
	static const uint32_t gpas[] = { RAM_BYTES, RAM_BYTES - 8, GMEM_HOLE_START, UINT32_MAX };
	uint8_t *ram = gmem_ptr(&machine.mem, 0, RAM_BYTES);

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(gpas); i++)
		assert_int_equal(harness_out(&vcpus[0], gpas[i]), 0);
	options.harness = NULL;
	assert_int_equal(harness_out(&vcpus[0], PAGE), 0);
	for (unsigned i = 0; i < RAM_BYTES; i++)
		assert_int_equal(ram[i], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(judges_each_sample),
		TEST(judges_as_many_as_bits),
		TEST(refuses_to_judge),
		TEST(failed_placement_is_none),
		TEST(refuses_to_stop),
		TEST(stops_until_placed),
		TEST(records_those_off_cpu),
		TEST(refuses_records),
		TEST(refuses_too_many_records),
		TEST(statistics),
		TEST(blocked),
		TEST(unknown_requests),
		TEST(page_outside_ram),
	};

	return cmocka_run_group_tests_name("harness", tests, NULL, NULL);
}
