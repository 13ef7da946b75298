/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/acpi.c: reads the tables back as a guest does, by the offsets of ACPI 6.5. */
#include "unit.h"

#include <string.h>

#include "vmm/acpi.h"

#define GPA	   0xe0000u
#define BUF_BYTES  65536u
#define RSDP_BYTES 36u
#define HEADER	   36u /* bytes of a table's header */

static uint8_t buf[BUF_BYTES];

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint8_t sum(const uint8_t *p, size_t bytes)
{
	unsigned s = 0;

	for (size_t i = 0; i < bytes; i++)
		s += p[i];
	return (uint8_t)s;
}

/* The table at a gpa: signature and checksum right, all of it within what was built. */
static const uint8_t *table(uint64_t gpa, const char *signature, size_t used)
{
	assert_true(gpa >= GPA && gpa + HEADER <= GPA + used);
	assert_int_equal(gpa % 16, 0);
	const uint8_t *t = buf + (gpa - GPA);
	uint32_t length = get32(t + 4);

	assert_memory_equal(t, signature, 4);
	assert_true(length >= HEADER && gpa + length <= GPA + used);
	assert_int_equal(sum(t, length), 0);
	return t;
}

static const uint8_t *xsdt(size_t used)
{
	assert_memory_equal(buf, "RSD PTR ", 8);
	assert_int_equal(buf[15], 2);
	assert_int_equal(get32(buf + 20), RSDP_BYTES);
	assert_int_equal(sum(buf, 20), 0);
	assert_int_equal(sum(buf, RSDP_BYTES), 0);
	return table(get64(buf + 24), "XSDT", used);
}

/* The table the XSDT names; it must be there exactly once. */
static const uint8_t *find(const char *signature, size_t used)
{
	const uint8_t *x = xsdt(used), *found = NULL;

	for (uint32_t at = HEADER; at + 8 <= get32(x + 4); at += 8) {
		uint64_t gpa = get64(x + at);

		if (memcmp(buf + (gpa - GPA), signature, 4))
			continue;
		assert_null(found);
		found = table(gpa, signature, used);
	}
	assert_non_null(found);
	return found;
}

static void tables_lead_to_each_other(void **state)
{
	size_t used = acpi_build(buf, sizeof(buf), GPA, 4);

	(void)state;
	assert_true(used > 0 && used <= sizeof(buf));
	const uint8_t *fadt = find("FACP", used);

	assert_int_equal(get32(fadt + 40), get64(fadt + 140));
	table(get64(fadt + 140), "DSDT", used);
	assert_true(get32(fadt + 112) & 1u << 20); /* hardware-reduced: no PM registers needed */
}

/* Every CPU once, ids below 255 as local APIC, others as x2APIC entries; one I/O APIC. */
static void check_cpus(unsigned vcpus)
{
	size_t used = acpi_build(buf, sizeof(buf), GPA, vcpus);
	unsigned next = 0, ioapics = 0;

	assert_true(used > 0);
	const uint8_t *madt = find("APIC", used);
	uint32_t length = get32(madt + 4);

	assert_int_equal(get32(madt + 36), 0xfee00000u);
	for (uint32_t at = 44; at < length; at += madt[at + 1]) {
		const uint8_t *e = madt + at;

		assert_true(e[1] >= 2 && at + e[1] <= length);
		if (e[0] == 0) {
			assert_int_equal(e[1], 8);
			assert_true(next < 255);
			assert_int_equal(e[3], next++);
			assert_int_equal(get32(e + 4), 1);
		} else if (e[0] == 9) {
			assert_int_equal(e[1], 16);
			assert_true(next >= 255);
			assert_int_equal(get32(e + 4), next);
			assert_int_equal(get32(e + 8), 1);
			assert_int_equal(get32(e + 12), next++);
		} else {
			assert_int_equal(e[0], 1);
			assert_int_equal(e[1], 12);
			assert_int_equal(get32(e + 4), 0xfec00000u);
			ioapics++;
		}
	}
	assert_int_equal(next, vcpus);
	assert_int_equal(ioapics, 1);
}

static void cpus(void **state)
{
	static const unsigned vcpus[] = { 1, 2, 64, 254, 255, 256, 257, 512 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(vcpus); i++)
		check_cpus(vcpus[i]);
}

/* No byte beyond `size`, in a block of exactly that size for ASan. */
static void too_small(void **state)
{
	size_t used = acpi_build(buf, sizeof(buf), GPA, 300);

	(void)state;
	for (size_t size = 0; size <= used; size++) {
		uint8_t *block = test_malloc(size + 1);

		assert_int_equal(acpi_build(block, size, GPA, 300), size == used ? used : 0);
		if (size == used)
			assert_memory_equal(block, buf, used);
		test_free(block);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_lead_to_each_other),
		cmocka_unit_test(cpus),
		cmocka_unit_test(too_small),
	};

	return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
