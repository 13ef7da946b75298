/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/stats_json.c: one line of valid JSON that has every counter and every latency. */
#include "unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "service_fixture.h"
#include "vmm/stats_json.h"

static struct watch *watches;

const char *exit_name(unsigned reason);
const char *exit_name(unsigned reason)
{
	return reason == KVM_EXIT_IO ? "io" : reason == KVM_EXIT_MMIO ? "mmio" : NULL;
}

static int setup(void **state)
{
	if (service_setup(state))
		return -1;
	watches = test_calloc(VCPUS + 1, sizeof(*watches));
	for (unsigned i = 0; i < VCPUS; i++) {
		machine.vcpus[i].watch = &watches[i];
		machine.vcpus[i].stats_fd = -1;
	}
	machine.rings.watch = &watches[VCPUS];
	return 0;
}

static int teardown(void **state)
{
	test_free(watches);
	return service_teardown(state);
}

static json_int_t number(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	if (!json_is_integer(v))
		fail_msg("no number \"%s\"", key);
	return json_integer_value(v);
}

static json_t *line(bool final)
{
	char *text = stats_json(&machine, 1234, final);

	assert_non_null(text);
	/* One line, for who reads it line by line. */
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	free(text);
	assert_non_null(o);
	assert_int_equal(number(o, "ms"), 1234);
	assert_true(json_is_boolean(json_object_get(o, "final")));
	assert_int_equal(json_is_true(json_object_get(o, "final")), final);
	return o;
}

static void counters(void **state)
{
	(void)state;
	atomic_store(&watches[SELF].counters.wait_off_cpu_ns, 12000000);
	atomic_store(&self->flush->kicks, 7);
	atomic_store(&self->flush->flushes, 6);
	atomic_store(&self->counters.hypercalls, 5);
	atomic_store(&self->exits[KVM_EXIT_IO], 8);
	atomic_store(&watches[VCPUS].counters.kicks, 4);
	atomic_store(&machine.rings.set.counters.ring_entries, 3);

	json_t *o = line(false), *vcpus = json_object_get(o, "vcpus");

	assert_int_equal(json_array_size(vcpus), VCPUS);
	for (unsigned i = 0; i < VCPUS; i++) {
		json_t *v = json_array_get(vcpus, i);

		assert_int_equal(number(v, "vcpu"), i);
		assert_int_equal(number(v, "wait_off_cpu_ns"), i == SELF ? 12000000 : 0);
		assert_int_equal(number(v, "kicked"), i == SELF ? 7 : 0);
		assert_int_equal(number(v, "flushes"), i == SELF ? 6 : 0);
		assert_int_equal(number(v, "hypercalls"), i == SELF ? 5 : 0);
		assert_int_equal(json_object_size(json_object_get(v, "exits")), i == SELF);
		assert_int_equal(json_object_size(json_object_get(v, "latency")), 0);
	}
	assert_int_equal(number(json_object_get(json_array_get(vcpus, SELF), "exits"), "io"), 8);
	assert_int_equal(number(json_object_get(o, "rings"), "kicks"), 4);
	assert_int_equal(number(json_object_get(o, "rings"), "ring_entries"), 3);
	assert_int_equal(number(json_object_get(o, "kvm"), "exits"), 0);
	assert_null(json_object_get(o, "trace_lost"));
	json_decref(o);
}

static void latencies(void **state)
{
	(void)state;
	histogram_add(&watches[SELF].latency[WATCH_STRONG], 5);
	histogram_add(&watches[SELF].latency[WATCH_STRONG], 6);
	histogram_add(&watches[SELF].latency[WATCH_STRONG], 100);

	json_t *o = line(true), *vcpu = json_array_get(json_object_get(o, "vcpus"), SELF);
	json_t *latency = json_object_get(vcpu, "latency"),
	       *strong = json_object_get(latency, "strong"),
	       *buckets = json_object_get(strong, "log2_ns");

	assert_int_equal(json_object_size(latency), 1);
	assert_int_equal(number(strong, "count"), 3);
	assert_int_equal(number(strong, "sum_ns"), 111);
	assert_int_equal(number(strong, "max_ns"), 100);
	assert_int_equal(number(strong, "p50_ns"), 7);
	assert_int_equal(number(strong, "p99_ns"), 100);
	/* Up to the last that is not empty. */
	assert_int_equal(json_array_size(buckets), 8);
	assert_int_equal(json_integer_value(json_array_get(buckets, 3)), 2);
	assert_int_equal(json_integer_value(json_array_get(buckets, 7)), 1);
	json_decref(o);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(counters), TEST(latencies) };

	return cmocka_run_group_tests_name("stats_json", tests, NULL, NULL);
}
