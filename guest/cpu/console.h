/* SPDX-License-Identifier: BSD-2-Clause */
/* The console device: COM1, or with "console=e9" the debug port of QEMU, Bochs and Xen. */
#ifndef GUEST_CPU_CONSOLE_H
#define GUEST_CPU_CONSOLE_H

#include "guest/lib/types.h"

/* Reads the command line. Before it text goes to both, COM1 as the firmware left it. */
void console_init(void);

/* For panic(): from now on output takes no lock, in case its holder has been stopped. */
void console_break_lock(void);

#endif
