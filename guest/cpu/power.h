/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of the run. */
#ifndef GUEST_CPU_POWER_H
#define GUEST_CPU_POWER_H

#include "guest/lib/types.h"

/*
 * Prints "HF-VERDICT pass|fail|panic" and ends the machine: OUT of the verdict
 * (HARNESS_EXIT_*) to the port "exit=PORT" names, if any; failing that a reset by the
 * keyboard controller, then a triple fault. From any CPU.
 */
_Noreturn void guest_exit(u32 verdict);

#endif
