/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/cpu/msr.h with a simulated CR3, and wait loops that give way. */
#ifndef SIM_SHADOW_MSR_H
#define SIM_SHADOW_MSR_H

#include_next "guest/cpu/msr.h"

#include "tests/sim/access.h"

void sim_write_cr3(u64 root);
u64 sim_rdtsc(void); /* steps so far */

#define write_cr3(v) sim_write_cr3(v)
#define rdtsc()	     sim_rdtsc()
#define cpu_pause()  sim_spin()
#define cpu_poll(n)  ((void)(n), sim_spin())

#endif
