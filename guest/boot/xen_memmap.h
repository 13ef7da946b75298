/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory map that Xen gives by hypercall (xen/include/public/memory.h, XENMEM_memory_map). */
#ifndef GUEST_BOOT_XEN_MEMMAP_H
#define GUEST_BOOT_XEN_MEMMAP_H

#include "guest/lib/types.h"
#include "shared/xen_abi.h"

/*
 * Fills `map` and returns how many entries it has, at most `max`. Registers the hypercall page.
 * Panics if this is not Xen, or if Xen has more entries or refuses.
 */
u32 xen_memory_map(struct xen_memmap_entry *map, u32 max);

#endif
