/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/cpu/irq.h with a simulated interrupt flag. */
#ifndef SIM_SHADOW_IRQ_H
#define SIM_SHADOW_IRQ_H

#include "guest/cpu/msr.h"
#include_next "guest/cpu/irq.h"

bool sim_irq_enabled(void);
void sim_irq_set(bool on); /* on: what is pending may come at the next step */
bool sim_irq_save(void);

#define irq_enabled()	 sim_irq_enabled()
#define irq_disable()	 sim_irq_set(false)
#define irq_enable()	 sim_irq_set(true)
#define irq_save()	 sim_irq_save()
#define irq_restore(was) sim_irq_restore(was)

static inline void sim_irq_restore(bool was)
{
	if (was)
		sim_irq_set(true);
}

#endif
