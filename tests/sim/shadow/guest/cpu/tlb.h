/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/cpu/tlb.h on the simulated TLB. */
#ifndef SIM_SHADOW_TLB_H
#define SIM_SHADOW_TLB_H

#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include_next "guest/cpu/tlb.h"

void sim_invlpg(u64 va);

#define tlb_flush_page(va) sim_invlpg(va)

#endif
