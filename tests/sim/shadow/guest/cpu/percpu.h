/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/cpu/percpu.h: the CPU is the simulated one that takes the step. */
#ifndef SIM_SHADOW_PERCPU_H
#define SIM_SHADOW_PERCPU_H

#include_next "guest/cpu/percpu.h"

struct cpu *sim_this_cpu(void);

#define this_cpu() sim_this_cpu()
#define cpu_id()   (sim_this_cpu()->id)
/* The inline functions know the other this_cpu(). */
#define this_mm_cpu() (&sim_this_cpu()->mm)
#define mm_cpu(id)    (&cpu_by_id(id)->mm)

#endif
