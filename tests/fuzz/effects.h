/* SPDX-License-Identifier: BSD-2-Clause */
/* What the flush service may change, as it was before a call or a pass, and whom that has reached.
 */
#ifndef HF_TESTS_FUZZ_EFFECTS_H
#define HF_TESTS_FUZZ_EFFECTS_H

#include "machine_fixture.h"
#include "vmm/detach.h"

extern struct effects {
	uint8_t ram[RAM_ALL];
	struct flush_target targets[VCPUS];
	struct detach_slot slots[VCPUS];
	struct kvm_side kvm[VCPUS];
	uint64_t lazy_word[VCPUS], page;
	unsigned barriers;
} before;

/* Fills `before`. threads_call() says what is to come. */
void effects_look(void);

bool same_ram(void);
bool same_slots(void);
bool same_msrs(void);

/* Nothing has changed since effects_look(). */
void check_unchanged(const char *what);

/*
 * Each of those named has flushed since, or will before its next instruction; who was in KVM_RUN
 * was kicked, and a barrier came after the last kick or, with `strong`, they have left. Nobody else
 * is touched, but for those who go in by themselves.
 */
void check_flushed(const struct vcpu_set *named, bool strong);
void check_not_named(unsigned vcpu);

#endif
