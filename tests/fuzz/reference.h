/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What shared/hyperflush_abi.h says of a guest's requests, written a second time and by other means
 * than in vmm/: the two must agree.
 */
#ifndef HF_TESTS_FUZZ_REFERENCE_H
#define HF_TESTS_FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/flush.h"
#include "vmm/gmem.h"

bool reference_in_ram(const struct gmem *gm, uint64_t gpa, uint64_t len);

/* May the call do its work? Then *named has the vCPUs it may do it to. */
bool reference_call(const struct gmem *gm, uint64_t nr, const void *request, uint64_t len,
		    unsigned self, unsigned vcpus, struct vcpu_set *named);

/* May the value be written to that MSR? */
bool reference_msr(const struct gmem *gm, uint32_t index, uint64_t value);

#endif
