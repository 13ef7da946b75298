/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run loop of vmm/vcpu.c with a KVM_RUN that is a function of the test. That KVM keeps the
 * rules of the real one that matter here (kvm_run is synced both ways, an exit is finished first,
 * immediate_exit comes after that) and watches what the loop does to CR3 and CR4. What vcpu.c calls
 * ioctl() is fake_ioctl() here.
 */
#ifndef HF_TESTS_VCPU_FIXTURE_H
#define HF_TESTS_VCPU_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/detach.h"
#include "vmm/machine.h"

#define WORD	0x4008u
#define STATE	0x5040u
#define FROM	0x10000u
#define ON_FROM (FROM | 5u) /* as CR3: with a PCID, which TO has not */
#define TO	0x20000u

/* How a KVM_RUN that has entered the guest ends. */
enum run_end { EXITS, KICKED };

extern struct machine machine;
extern struct vcpu vcpu;
extern struct flush_target *target;
extern struct detach_slot *slot;

/* KVM's own side. */
extern struct fake {
	struct kvm_sregs sregs;
	uint32_t mp_state;
	bool init_comes; /* when KVM_GET_MP_STATE is asked; it clears CR3 */
	bool exit_pending;
	uint64_t exit_root;	    /* which it uses to finish the exit */
	unsigned fragments;	    /* further exits that finishing it leads to */
	int set_error;		    /* of KVM_SET_SREGS, or 0 */
	unsigned runs, entries;	    /* KVM_RUNs; those that have entered the guest */
	unsigned finished, flushes; /* exits; KVM_SET_SREGS */
	bool flipped;		    /* CR4 is not the guest's at the moment */
} fake;

/* What others do meanwhile. */
extern void (*at_exit)(void), (*at_take)(void);

/* Ends the run; the first one fails the test. */
void violated(const char *what);

#define EXPECT(condition)                                  \
	do {                                               \
		if (!(condition))                          \
			violated("expected: " #condition); \
	} while (0)

/* The vCPU's lazy word. */
_Atomic uint64_t *word(void);

void stop(void);

/* What the initiator of a `detach` does; there is none that waits. */
void post(void);

/* A vCPU in long mode, lazily on FROM. */
int vcpu_setup(void **state);
int vcpu_teardown(void **state);

#define VCPU_TEST(name) cmocka_unit_test_setup_teardown(name, vcpu_setup, vcpu_teardown)

/* Runs the vCPU's thread until the guest, or a violation, stops the machine; `entry` counts up from
 * 0. */
void run(enum run_end (*what)(unsigned entry));

#endif
