/* SPDX-License-Identifier: BSD-2-Clause */
/* The service fixture's machine with guarded RAM, and vCPUs whose exits carry port data. */
#ifndef HF_TESTS_FUZZ_MACHINE_FIXTURE_H
#define HF_TESTS_FUZZ_MACHINE_FIXTURE_H

#include "fuzz.h"
#include "threads.h"

#define RAM_LOW	 0x2000u
#define RAM_HIGH 0x1000u
#define RAM_ALL	 (RAM_LOW + RAM_HIGH)

#define RAM_PAGES (RAM_ALL / 4096u)

#define PIO_BYTES 4096u /* KVM's own buffer is a page as well */

/* Once a process. */
void fixture_create(void);

/* Before each input: as after a reset, zeroed RAM; what the guest may use is the caller's choice.
 */
void fixture_reset(uint32_t advertised);

/*
 * Sets a KVM_EXIT_IO up for `count` accesses of `size` bytes and returns where the data goes; what
 * lies behind it is guarded.
 */
uint8_t *fixture_port_exit(unsigned vcpu, unsigned port, bool out, unsigned size, unsigned count);

/* A vCPU that has left KVM_RUN by an exit and will come back. */
struct vcpu *fixture_caller(struct input *in);

/* Time passes for some vCPUs in a row: who is in KVM_RUN comes out, and the other way round. */
void fixture_run(struct input *in);

#endif
