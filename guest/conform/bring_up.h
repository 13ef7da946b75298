/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef GUEST_CONFORM_BRING_UP_H
#define GUEST_CONFORM_BRING_UP_H

#include <stdbool.h>

/*
 * Picks the backend of the command line ("backend=", auto without it) and
 * makes every CPU ready to be a target. False: it cannot be had here; reported
 * as a skip.
 */
bool flush_bring_up(void);

#endif
