/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the shadow headers turn the guest's accesses into. Each is a step of the
 * calling CPU: other CPUs and the hardware may act before it (schedule.h).
 */
#ifndef SIM_ACCESS_H
#define SIM_ACCESS_H

#include "guest/lib/types.h"

/* Where an access stands in the source, for the timeline. */
struct sim_site {
	const char *file, *text;
	unsigned line;
};

#define SIM_AT(what, call)                                                            \
	__extension__({                                                               \
		static const struct sim_site sim_here = { __FILE__, what, __LINE__ }; \
		const struct sim_site *sim_site = &sim_here;                          \
		call;                                                                 \
	})

/* A value of *p's type without its qualifiers. */
#define SIM_AS(p, value) ((__typeof__(*(p) + 0))(value))

enum sim_rmw { RMW_ADD, RMW_EXCHANGE, RMW_OR, RMW_AND };

u64 sim_load(const struct sim_site *site, const volatile void *p, unsigned size);
/* Goes into the CPU's store buffer. */
void sim_store(const struct sim_site *site, volatile void *p, unsigned size, u64 value);
/* Locked: drains the store buffer first. The old value. */
u64 sim_rmw(const struct sim_site *site, volatile void *p, unsigned size, enum sim_rmw op,
	    u64 value);
bool sim_cas(const struct sim_site *site, volatile void *p, unsigned size, void *expected,
	     u64 value);
void sim_fence(const struct sim_site *site);

u64 sim_pte_read(const struct sim_site *site, const u64 *slot);
void sim_pte_write(const struct sim_site *site, u64 *slot, u64 value);
u64 sim_pte_exchange(const struct sim_site *site, u64 *slot, u64 value);

/* One step: the stores become visible in order, those before them first. */
void *sim_memset(void *dst, int byte, size_t n);
void *sim_memcpy(void *dst, const void *src, size_t n);

/* A wait loop goes round: the CPU does nothing until somebody has stored something. */
void sim_spin(void);

#endif
