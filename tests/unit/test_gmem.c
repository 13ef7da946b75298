/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/gmem.c: what is RAM and what is not, on both sides of the hole. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "fake_kvm.h"
#include "vmm/gmem.h"

#define PAGE	4096ull
#define GIB	(1ull << 30)
#define MEBI(n) ((uint64_t)(n) << 20)

static struct gmem gm;

static int setup_small(void **state)
{
	(void)state;
	fake_kvm = (struct fake_kvm){ 0 };
	return gmem_create(&gm, MEBI(2));
}

static int setup_large(void **state)
{
	(void)state;
	fake_kvm = (struct fake_kvm){ 0 };
	return gmem_create(&gm, 4 * GIB);
}

static int teardown(void **state)
{
	(void)state;
	gmem_destroy(&gm);
	return 0;
}

static void small_bounds(void **state)
{
	static const struct {
		uint64_t gpa, len;
		bool is_ram;
	} cases[] = {
		{ 0, 1, true },
		{ 0, MEBI(2), true },
		{ 0, MEBI(2) + 1, false },
		{ MEBI(2) - 1, 1, true },
		{ MEBI(2) - 1, 2, false },
		{ MEBI(2), 1, false },
		{ 1, MEBI(2), false },
		{ 0, 0, false },
		{ MEBI(1), 0, false },
		{ 0, UINT64_MAX, false },
		{ 1, UINT64_MAX, false },
		{ UINT64_MAX, 1, false },
		{ UINT64_MAX, 2, false },
		{ UINT64_MAX - 1, MEBI(1), false },
		{ 0 - MEBI(1), MEBI(1) + 1, false },
		{ GMEM_HOLE_START, 1, false },
		{ GMEM_HOLE_END, 1, false },
		{ GMEM_HOLE_END, UINT64_MAX - GMEM_HOLE_END, false },
		{ GMEM_HOLE_END, 0 - GMEM_HOLE_END, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		void *p = gmem_ptr(&gm, cases[i].gpa, cases[i].len);

		assert_ptr_equal(p, cases[i].is_ram ? gm.base + cases[i].gpa : NULL);
	}
}

static void large_bounds(void **state)
{
	static const struct {
		uint64_t gpa, len;
		int64_t offset; /* into the mapping, or -1 */
	} cases[] = {
		{ 0, 3 * GIB, 0 },
		{ 0, 3 * GIB + 1, -1 },
		{ GMEM_HOLE_START - 1, 1, 3 * GIB - 1 },
		{ GMEM_HOLE_START - 1, 2, -1 },
		{ GMEM_HOLE_START, 1, -1 },
		{ GMEM_HOLE_END - 1, 1, -1 },
		{ GMEM_HOLE_END - 1, 2, -1 },
		{ GMEM_HOLE_END, 1, 3 * GIB },
		{ GMEM_HOLE_END, GIB, 3 * GIB },
		{ GMEM_HOLE_END, GIB + 1, -1 },
		{ GMEM_HOLE_END + GIB - 1, 1, 4 * GIB - 1 },
		{ GMEM_HOLE_END + GIB - 1, 2, -1 },
		{ GMEM_HOLE_END + GIB, 1, -1 },
		/* From below the hole to above it. */
		{ GMEM_HOLE_START - 1, GIB + 2, -1 },
		{ 0, 5 * GIB, -1 },
		{ GMEM_HOLE_END + 1, UINT64_MAX, -1 },
		{ GMEM_HOLE_END + 1, 0 - GMEM_HOLE_END, -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		void *p = gmem_ptr(&gm, cases[i].gpa, cases[i].len);

		assert_ptr_equal(p, cases[i].offset < 0 ? NULL : gm.base + cases[i].offset);
	}
}

static void copies(void **state)
{
	char text[] = "guest";
	char back[sizeof(text)] = "";

	(void)state;
	assert_int_equal(gmem_write(&gm, MEBI(2) - sizeof(text), text, sizeof(text)), 0);
	assert_int_equal(gmem_read(&gm, MEBI(2) - sizeof(text), back, sizeof(back)), 0);
	assert_string_equal(back, text);
	assert_memory_equal(gm.base + MEBI(2) - sizeof(text), text, sizeof(text));
}

static void refused_copies_change_nothing(void **state)
{
	char text[] = "guest";
	char back[] = "host!";

	(void)state;
	assert_s64(gmem_write(&gm, MEBI(2) - 2, text, sizeof(text)), -EFAULT);
	assert_int_equal(gm.base[MEBI(2) - 2], 0);
	assert_s64(gmem_read(&gm, MEBI(2) - 2, back, sizeof(back)), -EFAULT);
	assert_string_equal(back, "host!");
	assert_s64(gmem_read(&gm, 0, back, 0), -EFAULT);
}

static void slots_of_a_small_machine(void **state)
{
	(void)state;
	assert_int_equal(gmem_attach(&gm, 3), 0);
	assert_int_equal(fake_kvm.slot_count, 1);
	assert_int_equal(fake_kvm.slots[0].guest_phys_addr, 0);
	assert_int_equal(fake_kvm.slots[0].memory_size, MEBI(2));
	assert_int_equal(fake_kvm.slots[0].userspace_addr, (uintptr_t)gm.base);
}

static void slots_of_a_large_machine(void **state)
{
	(void)state;
	assert_int_equal(gmem_attach(&gm, 3), 0);
	assert_int_equal(fake_kvm.slot_count, 2);
	assert_int_equal(fake_kvm.slots[0].memory_size, 3 * GIB);
	assert_int_not_equal(fake_kvm.slots[0].slot, fake_kvm.slots[1].slot);
	assert_int_equal(fake_kvm.slots[1].guest_phys_addr, GMEM_HOLE_END);
	assert_int_equal(fake_kvm.slots[1].memory_size, GIB);
	assert_int_equal(fake_kvm.slots[1].userspace_addr, (uintptr_t)gm.base + 3 * GIB);
}

static void attach_passes_errors_on(void **state)
{
	(void)state;
	fake_kvm.error = -EEXIST;
	assert_s64(gmem_attach(&gm, 3), -EEXIST);
}

static void exactly_up_to_the_hole(void **state)
{
	struct gmem full;

	(void)state;
	assert_int_equal(gmem_create(&full, GMEM_HOLE_START), 0);
	assert_int_equal(full.high, 0);
	assert_null(gmem_ptr(&full, GMEM_HOLE_END, 1));
	gmem_destroy(&full);
	assert_int_equal(gmem_create(&full, GMEM_HOLE_START + PAGE), 0);
	assert_int_equal(full.high, PAGE);
	assert_non_null(gmem_ptr(&full, GMEM_HOLE_END, PAGE));
	assert_null(gmem_ptr(&full, GMEM_HOLE_END, PAGE + 1));
	gmem_destroy(&full);
	gmem_destroy(&full);
	assert_null(gmem_ptr(&full, 0, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(small_bounds, setup_small, teardown),
		cmocka_unit_test_setup_teardown(large_bounds, setup_large, teardown),
		cmocka_unit_test_setup_teardown(copies, setup_small, teardown),
		cmocka_unit_test_setup_teardown(refused_copies_change_nothing, setup_small,
						teardown),
		cmocka_unit_test_setup_teardown(slots_of_a_small_machine, setup_small, teardown),
		cmocka_unit_test_setup_teardown(slots_of_a_large_machine, setup_large, teardown),
		cmocka_unit_test_setup_teardown(attach_passes_errors_on, setup_small, teardown),
		cmocka_unit_test(exactly_up_to_the_hole),
	};

	return cmocka_run_group_tests_name("gmem", tests, NULL, NULL);
}
