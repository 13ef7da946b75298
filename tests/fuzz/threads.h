/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The threads of the fixture's vCPUs, all played by the fuzzer's one: the run loop's own code
 * (vmm/vcpu.c) before and after a KVM_RUN that does nothing, and what an initiator sees of the
 * others while it kicks and waits. Time is a number: a wait that would end by its deadline ends at
 * once, and one that nobody would ever end is a finding.
 */
#ifndef HF_TESTS_FUZZ_THREADS_H
#define HF_TESTS_FUZZ_THREADS_H

#include "tests/unit/service_fixture.h"

/* When a kicked vCPU gets round to its loop during a call; without either, after the call. */
#define REACT_AT_ONCE	1u
#define REACT_WHEN_IDLE 2u /* the initiator sleeps */
#define REACT_ENTER	4u /* when it sleeps, those outside KVM_RUN go in as well */
#define REACT_SPOIL	8u /* what the initiator has read is overwritten */

/* During the call, since threads_call(). */
struct call_record {
	unsigned self, reactions;
	struct vcpu_set kicked, late; /* late: kicked, and still to react */
	unsigned barriers_at_kick;    /* service_calls.barriers at the last kick */
	unsigned waits, reads;
	unsigned moved[VCPUS], moved_count; /* vCPUs that say so, in that order */
};

extern struct call_record call_record;

/* KVM's side of each vCPU. */
extern struct kvm_side {
	unsigned flushes; /* asked for, ever */
	uint64_t cr3;
} kvm_side[VCPUS];

/* Called when that happens; NULL: nobody asks. */
extern struct thread_events {
	void (*flushed)(unsigned vcpu); /* KVM has been asked to */
	void (*in_run)(unsigned vcpu, bool in_run);
	void (*request_read)(uint64_t gpa, size_t bytes); /* the service has a copy */
} thread_events;

/* Nobody is in KVM_RUN, everybody has been; the last vCPU waits for its INIT and has not. */
void threads_reset(void);
void threads_call(unsigned self, unsigned reactions);

bool thread_inside(unsigned vcpu);
void thread_enter(unsigned vcpu);  /* outside: goes into KVM_RUN */
void thread_leave(unsigned vcpu);  /* inside: comes out of it by a signal */
void thread_exit(unsigned vcpu);   /* inside: comes out of it by an exit */
void thread_handle(unsigned vcpu); /* outside, after thread_exit(): handles run->exit_reason */

#endif
