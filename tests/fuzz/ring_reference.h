/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What docs/abi.md says of rings, written a second time: it is told of each access to guest RAM,
 * and judges it by what was read before; at the end of a pass it says what is missing. Offsets are
 * into guest RAM. Several vCPUs may have the same page as their ring: of those, the lowest comes
 * first.
 */
#ifndef HF_TESTS_FUZZ_RING_REFERENCE_H
#define HF_TESTS_FUZZ_RING_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_RING SIZE_MAX

/* No vCPU has a ring. */
void ring_reference_reset(void);

/* vCPU `vcpu` writes its MSR, and has the ring at `offset` afterwards, or none. */
void ring_reference_attach(unsigned vcpu, size_t offset);
void ring_reference_attached(void);

/* The MSR's value is refused. */
void ring_reference_refuse(void);

/* effects_look() has been called. */
void ring_reference_begin(void);

/* True: the host may not go to sleep yet. */
bool ring_reference_end(void);

void ring_reference_loaded(size_t offset, size_t bytes, uint64_t value);
void ring_reference_stored(size_t offset, size_t bytes, uint64_t value);

#endif
