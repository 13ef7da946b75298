/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/cpu/msr.h with a simulated CR3 and doorbell, and wait loops that give way. */
#ifndef SIM_SHADOW_MSR_H
#define SIM_SHADOW_MSR_H

#include_next "guest/cpu/msr.h"

#include "tests/sim/access.h"

void sim_write_cr3(u64 cr3);
u64 sim_rdtsc(void); /* steps so far */
void sim_wrmsr(u32 msr, u64 value);
void sim_outl(u16 port, u32 value);

#define write_cr3(v)  sim_write_cr3(v)
#define rdtsc()	      sim_rdtsc()
#define wrmsr(i, v)   sim_wrmsr(i, v)
#define outl(port, v) sim_outl(port, v)
#define cpu_pause()   sim_spin()
#define cpu_poll(n)   ((void)(n), sim_spin())

#endif
