/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fixture's RAM must be: what the guest has written, what the host was seen to write into
 * rings, and what the state pages promise. Offsets are into RAM, whose parts follow each other.
 */
#ifndef HF_TESTS_FUZZ_IMAGE_H
#define HF_TESTS_FUZZ_IMAGE_H

#include "machine_fixture.h"

extern uint8_t image[RAM_ALL];
extern uint64_t state_msr[VCPUS]; /* where the state pages are; gpa | 1, or 0 */

/* Zeros, and no state page. image_flushed() and image_in_run() are to be told from then on. */
void image_reset(void);

/* A finding if RAM is anything else; `what` has happened. */
void check_image(const char *what);

/* The guest writes its RAM, as far as that goes. */
void guest_writes(size_t offset, const void *bytes, size_t n);

size_t ram_offset(uint64_t gpa);
uint64_t page_gpa(size_t page);

/* What the host writes to a vCPU's state page, if there is one. */
void image_in_run(unsigned vcpu, bool in_run);
void image_flushed(unsigned vcpu);

#endif
