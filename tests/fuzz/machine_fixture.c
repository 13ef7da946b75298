/* SPDX-License-Identifier: BSD-2-Clause */
#include "machine_fixture.h"

#include <sanitizer/asan_interface.h>

#include "vmm/detach.h"

static struct {
	struct kvm_run run;
	_Alignas(8) uint8_t pio[PIO_BYTES];
} shared[VCPUS];

void fixture_create(void)
{
	MUST(!service_setup(NULL), "the fixture");
	gmem_destroy(&machine.mem);
	ram_shape(&machine.mem, RAM_LOW, RAM_HIGH);
	for (unsigned i = 0; i < VCPUS; i++)
		machine.vcpus[i].run = &shared[i].run;
}

void fixture_reset(uint32_t advertised)
{
	memset(machine.mem.base, 0, RAM_ALL);
	threads_reset();
	machine.advertised = advertised;
	machine.has_verdict = false;
	atomic_store(&machine.hypercall_page, 0);
}

uint8_t *fixture_port_exit(unsigned vcpu, unsigned port, bool out, unsigned size, unsigned count)
{
	struct kvm_run *run = &shared[vcpu].run;
	uint8_t *pio = shared[vcpu].pio;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	run->io.port = (uint16_t)port;
	run->io.size = (uint8_t)size;
	run->io.count = count;
	run->io.data_offset = (uint64_t)(pio - (uint8_t *)run);
	ASAN_UNPOISON_MEMORY_REGION(pio, PIO_BYTES);
	ASAN_POISON_MEMORY_REGION(pio + (size_t)size * count, PIO_BYTES - (size_t)size * count);
	return pio;
}

struct vcpu *fixture_caller(struct input *in)
{
	unsigned vcpu = take8(in) % VCPUS;

	if (!thread_inside(vcpu))
		thread_enter(vcpu);
	thread_exit(vcpu);
	atomic_store(&machine.detach_slots[vcpu].asking, 0); /* one call at a time */
	return &machine.vcpus[vcpu];
}

void fixture_run(struct input *in)
{
	unsigned first = take8(in) % VCPUS, count = take8(in) % VCPUS;

	threads_call(VCPUS, 0);
	for (unsigned i = first; i < VCPUS && i - first <= count; i++) {
		if (thread_inside(i))
			thread_leave(i);
		else
			thread_enter(i);
	}
}
