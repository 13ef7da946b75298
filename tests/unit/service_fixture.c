/* SPDX-License-Identifier: BSD-2-Clause */
#include "service_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "vmm/detach.h"
#include "vmm/service.h"

struct machine machine;
struct vcpu *self;
struct service_calls service_calls;

static void kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	if (service_calls.kick)
		service_calls.kick(vcpu);
	else
		fail_msg("vCPU %u is kicked", vcpu);
}

static void barrier(void *ctx)
{
	(void)ctx;
	service_calls.barriers++;
}

static void *zeroed_lines(size_t bytes)
{
	void *p = aligned_alloc(64, bytes);

	assert_non_null(p);
	return memset(p, 0, bytes);
}

int service_setup(void **state)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };

	(void)state;
	memset(&machine, 0, sizeof(machine));
	service_calls = (struct service_calls){ 0 };
	machine.advertised = 1u << HF_BACKEND_HYPERFLUSH;
	machine.vcpu_count = VCPUS;
	machine.vcpus = test_calloc(VCPUS, sizeof(*machine.vcpus));
	machine.flush = (struct flush_service){ .count = VCPUS, .ops = &ops, .ctx = &machine };
	machine.flush.targets = zeroed_lines(VCPUS * sizeof(struct flush_target));
	machine.detach_slots = zeroed_lines(VCPUS * sizeof(struct detach_slot));
	machine.rings.set = (struct ring_set){ .rings = test_calloc(VCPUS, sizeof(struct ring)),
					       .count = VCPUS };
	pthread_mutex_init(&machine.rings.lock, NULL);
	pthread_cond_init(&machine.rings.attachment, NULL);
	if (gmem_create(&machine.mem, RAM_BYTES))
		return -1;
	for (unsigned i = 0; i < VCPUS; i++)
		machine.vcpus[i] = (struct vcpu){
			.machine = &machine,
			.index = i,
			.flush = &machine.flush.targets[i],
			.detach = &machine.detach_slots[i],
			.run = test_calloc(1, sizeof(struct kvm_run)),
		};
	self = &machine.vcpus[SELF];
	return 0;
}

int service_teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VCPUS; i++)
		test_free(machine.vcpus[i].run);
	test_free(machine.rings.set.rings);
	gmem_destroy(&machine.mem);
	free(machine.flush.targets);
	free(machine.detach_slots);
	test_free(machine.vcpus);
	return 0;
}

bool wrmsr(struct vcpu *v, uint32_t index, uint64_t value)
{
	v->run->msr.index = index;
	v->run->msr.data = value;
	v->run->msr.error = 0x5a;
	assert_int_equal(service_wrmsr(v), 0);
	assert_true(v->run->msr.error <= 1);
	return !v->run->msr.error;
}

bool rdmsr(struct vcpu *v, uint32_t index, uint64_t *value)
{
	v->run->msr.index = index;
	v->run->msr.error = 0x5a;
	assert_int_equal(service_rdmsr(v), 0);
	assert_true(v->run->msr.error <= 1);
	*value = v->run->msr.data;
	return !v->run->msr.error;
}

void register_page(void)
{
	assert_true(wrmsr(self, HF_MSR_HYPERCALL_PAGE, PAGE | 1));
}

/* M-CALL-1 */
int64_t call(uint64_t nr, uint64_t gpa, uint64_t len)
{
	struct kvm_regs *r = &self->run->s.regs.regs;
	struct kvm_regs before;

	memset(r, 0x5a, sizeof(*r));
	r->rax = nr;
	r->rdi = gpa;
	r->rsi = len;
	before = *r;
	self->run->kvm_dirty_regs = 0;
	assert_int_equal(service_hyperflush(self), 0);
	int64_t result = (int64_t)r->rax;

	/* No other register changes, and KVM is told of the one that does. */
	before.rax = r->rax;
	assert_memory_equal(r, &before, sizeof(before));
	assert_int_equal(self->run->kvm_dirty_regs, KVM_SYNC_X86_REGS);
	return result;
}

unsigned pending(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VCPUS; i++)
		n += atomic_load(&machine.flush.targets[i].pending);
	return n;
}

uint64_t errors(void)
{
	return counter_read(&self->counters.hypercall_errors);
}
