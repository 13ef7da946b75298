/* SPDX-License-Identifier: BSD-2-Clause */
/* guest/cpu/paging.h whose direct map is a memory of the fuzz target's. */
#ifndef FUZZ_SHADOW_PAGING_H
#define FUZZ_SHADOW_PAGING_H

#include_next "guest/cpu/paging.h"

void *fuzz_phys_to_virt(paddr_t pa);

#define phys_to_virt(pa) fuzz_phys_to_virt(pa)

#endif
