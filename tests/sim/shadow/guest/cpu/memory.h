/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands for guest/cpu/memory.h: the same names on simulated store buffers. */
#ifndef GUEST_CPU_MEMORY_H
#define GUEST_CPU_MEMORY_H

#include "tests/sim/access.h"

#define SIM_MEM_RMW(name, p, op, v) \
	SIM_AT(name "(" #p ")",     \
	       SIM_AS(p, sim_rmw(sim_site, p, (unsigned)sizeof(*(p)), op, (u64)(SIM_AS(p, v)))))

#define mem_load(p) SIM_AT("load(" #p ")", SIM_AS(p, sim_load(sim_site, p, (unsigned)sizeof(*(p)))))
#define mem_store(p, v) \
	SIM_AT("store(" #p ")", sim_store(sim_site, p, (unsigned)sizeof(*(p)), (u64)(SIM_AS(p, v))))
#define mem_fetch_add(p, v) SIM_MEM_RMW("fetch_add", p, RMW_ADD, v)
#define mem_add(p, v)	    SIM_AS(p, SIM_MEM_RMW("add", p, RMW_ADD, v) + (v))
#define mem_exchange(p, v)  SIM_MEM_RMW("exchange", p, RMW_EXCHANGE, v)
#define mem_fetch_or(p, v)  SIM_MEM_RMW("fetch_or", p, RMW_OR, v)
#define mem_fetch_and(p, v) SIM_MEM_RMW("fetch_and", p, RMW_AND, v)
#define mem_cas(p, expected, v) \
	SIM_AT("cas(" #p ")",   \
	       sim_cas(sim_site, p, (unsigned)sizeof(*(p)), expected, (u64)(SIM_AS(p, v))))
#define mem_fence() SIM_AT("fence", sim_fence(sim_site))

#endif
