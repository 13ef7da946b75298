/* SPDX-License-Identifier: BSD-2-Clause */
/* The trap handler's side of panic(); lib/print.h has everybody else's. */
#ifndef GUEST_CPU_PANIC_H
#define GUEST_CPU_PANIC_H

#include "guest/cpu/trap.h"

/* As panic(), with the registers of the frame. */
_Noreturn void panic_at(const struct trap_frame *frame, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* From the NMI handler: if another CPU panics, reports this one stopped and never returns. */
void panic_stop_if_asked(void);

#endif
