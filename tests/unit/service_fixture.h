/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine without KVM whose vCPU SELF makes calls, for the tests of vmm/service.c. */
#ifndef HF_TESTS_SERVICE_FIXTURE_H
#define HF_TESTS_SERVICE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/machine.h"

#define VCPUS	  70u
#define RAM_BYTES (1u << 20)
#define REQUEST	  0x8000u
#define PAGE	  0x3000u
#define SELF	  3u

extern struct machine machine;
extern struct vcpu *self;

/* What the flush service may ask for; a test that leaves `kick` NULL expects no kick. */
extern struct service_calls {
	void (*kick)(unsigned vcpu);
	unsigned barriers;
} service_calls;

/* Nobody is in KVM_RUN. */
int service_setup(void **state);
int service_teardown(void **state);

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, service_setup, service_teardown)

/* False: #GP. */
bool wrmsr(struct vcpu *v, uint32_t index, uint64_t value);
bool rdmsr(struct vcpu *v, uint32_t index, uint64_t *value);

/* Registers the hypercall page at PAGE. */
void register_page(void);

/* SELF calls; checks that no register but RAX changes. */
int64_t call(uint64_t nr, uint64_t gpa, uint64_t len);

/* vCPUs with a flush pending; calls refused. */
unsigned pending(void);
uint64_t errors(void);

#endif
