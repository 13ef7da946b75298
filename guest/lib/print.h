/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatted output on the console, and the end of the run. */
#ifndef GUEST_LIB_PRINT_H
#define GUEST_LIB_PRINT_H

#include <stdarg.h>

#include "guest/lib/types.h"

/*
 * Conversions: %d %i %u %x %X %o %c %s %p %%, flags '-' '0' '#', width and
 * precision (also '*'), lengths hh h l ll z j t. No floating point. Returns the
 * length the whole text has; buf is terminated whenever size > 0.
 */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
int snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Longest text one kprintf() prints; the rest is cut off. */
#define KPRINTF_MAX 512

/*
 * Prints the text as one unit: no other CPU's output gets between. Callable
 * from any context but NMI; print whole lines.
 */
void kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Dumps this CPU's registers and backtrace, stops the other CPUs by NMI and
 * ends the run with HARNESS_EXIT_PANIC. Callable from any context.
 */
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Stops with the condition's text when it does not hold; always compiled in. */
#define ASSERT(cond)                                                                     \
	do {                                                                             \
		if (__builtin_expect(!(cond), 0))                                        \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond); \
	} while (0)

#endif
