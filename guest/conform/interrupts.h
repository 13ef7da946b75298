/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "No guest IPI": the interrupts that the guest has sent and taken prove it. KVM's count of
 * injections is a second witness, where it is seen to count: with APICv or AVIC the CPU delivers
 * interrupts that KVM does not inject.
 */
#ifndef GUEST_CONFORM_INTERRUPTS_H
#define GUEST_CONFORM_INTERRUPTS_H

#include "guest/conform/reader.h"

struct interrupt_watch {
	struct interrupt_counts {
		u64 sent;    /* CPUs to which a backend sent a flush interrupt */
		u64 skipped; /* targets left to the host */
		u64 taken;   /* flush interrupts, all CPUs */
		u64 others;  /* all other vectors */
		u64 injected;
	} before;
	bool has_injected;
	u64 known, known_injected; /* interrupts sent to find out, and KVM's count of them */
};

/*
 * Interrupts the readers (started, mode SPIN) to see whether KVM counts; begins to count. No
 * tick may run until the verdict.
 */
void interrupts_watch(struct interrupt_watch *w, struct readers *r);

/*
 * Reports two results, while the readers still run. Since interrupts_watch() there were flushes
 * with `targets` targets in all, and nothing else that interrupts. "apicv=0" on the
 * command line: the launcher knows that KVM injects everything, so it must be seen to count.
 */
void interrupts_verdict(const struct interrupt_watch *w, u64 targets);

#endif
