/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel command line: blank-separated words, "key=value" or bare "key". */
#ifndef GUEST_LIB_CMDLINE_H
#define GUEST_LIB_CMDLINE_H

#include "guest/lib/types.h"

/* Remembers `text` (not copied; must live as long as the guest). Once, at boot. */
void cmdline_init(const char *text);

/*
 * Copies the value of `key` (first occurrence; "" for a bare word), cut to
 * size-1 characters. False and buf untouched if the key is absent.
 */
bool cmdline_get(const char *key, char *buf, size_t size);

/* The value as a number, decimal or 0x hexadecimal. `fallback` if absent; panics on anything else.
 */
u64 cmdline_u64(const char *key, u64 fallback);

/* True if the comma-separated value of `key` has `word`, or the key is absent. */
bool cmdline_lists(const char *key, const char *word);

#endif
