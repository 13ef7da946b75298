/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the kernel's functions, from a table that the build derives from a first link. */
#ifndef GUEST_LIB_SYMBOLS_H
#define GUEST_LIB_SYMBOLS_H

#include "guest/lib/types.h"

/* The function `address` lies in and the offset there; NULL and the address if in none. */
const char *symbol_find(u64 address, u64 *offset);

#endif
