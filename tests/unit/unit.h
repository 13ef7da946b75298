/* SPDX-License-Identifier: BSD-2-Clause */
/* What each hosted unit test includes first. */
#ifndef HF_TESTS_UNIT_H
#define HF_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* assert_int_equal() for 64-bit values: cmocka's own cast warns about signed ones. */
#define assert_s64(actual, expected) \
	assert_int_equal((uint64_t)(int64_t)(actual), (uint64_t)(int64_t)(expected))

#endif
