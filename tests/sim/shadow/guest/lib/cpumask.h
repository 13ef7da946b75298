/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/lib/cpumask.h: the atomic forms and the snapshot are steps. */
#ifndef SIM_SHADOW_CPUMASK_H
#define SIM_SHADOW_CPUMASK_H

#include_next "guest/lib/cpumask.h"

#include "tests/sim/access.h"

bool sim_mask_set(const struct sim_site *site, struct cpumask *m, u32 cpu);
bool sim_mask_clear(const struct sim_site *site, struct cpumask *m, u32 cpu);
void sim_mask_copy(const struct sim_site *site, struct cpumask *dst, const struct cpumask *src);

#define cpumask_test_set_atomic(m, cpu)	  SIM_AT("set(" #m ")", sim_mask_set(sim_site, m, cpu))
#define cpumask_test_clear_atomic(m, cpu) SIM_AT("clear(" #m ")", sim_mask_clear(sim_site, m, cpu))
#define cpumask_set_atomic(m, cpu)	  ((void)cpumask_test_set_atomic(m, cpu))
#define cpumask_clear_atomic(m, cpu)	  ((void)cpumask_test_clear_atomic(m, cpu))
#define cpumask_copy(dst, src)		  SIM_AT("copy(" #src ")", sim_mask_copy(sim_site, dst, src))

#endif
