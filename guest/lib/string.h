/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of <string.h> the guest uses; same contracts as ISO C, strlcpy as BSD. */
#ifndef GUEST_LIB_STRING_H
#define GUEST_LIB_STRING_H

#include "guest/lib/types.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

/* Copies at most size-1 characters and terminates (size > 0). Returns strlen(src). */
size_t strlcpy(char *dst, const char *src, size_t size);

#endif
