/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/cpu/paging.h with simulated accesses and a direct map of the simulated RAM. */
#ifndef SIM_SHADOW_PAGING_H
#define SIM_SHADOW_PAGING_H

#include_next "guest/cpu/paging.h"

#include "tests/sim/access.h"

void *sim_phys_to_virt(u64 pa);
u64 sim_virt_to_phys(const void *p);

#define pte_read(p)	   SIM_AT("read(" #p ")", sim_pte_read(sim_site, p))
#define pte_write(p, v)	   SIM_AT("write(" #p ", " #v ")", sim_pte_write(sim_site, p, v))
#define pte_exchange(p, v) SIM_AT("exchange(" #p ", " #v ")", sim_pte_exchange(sim_site, p, v))
#define phys_to_virt(pa)   sim_phys_to_virt(pa)
#define virt_to_phys(p)	   sim_virt_to_phys(p)

#endif
