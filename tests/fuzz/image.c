/* SPDX-License-Identifier: BSD-2-Clause */
#include "image.h"

#include "shared/hyperflush_abi.h"

uint8_t image[RAM_ALL];
uint64_t state_msr[VCPUS];

void image_reset(void)
{
	memset(image, 0, sizeof(image));
	memset(state_msr, 0, sizeof(state_msr));
}

void guest_writes(size_t offset, const void *bytes, size_t n)
{
	if (offset >= RAM_ALL)
		return;
	if (n > RAM_ALL - offset)
		n = RAM_ALL - offset;
	memcpy(machine.mem.base + offset, bytes, n);
	memcpy(image + offset, bytes, n);
}

void check_image(const char *what)
{
	if (!memcmp(image, machine.mem.base, RAM_ALL))
		return;
	for (size_t i = 0; i < RAM_ALL; i++)
		MUST(image[i] == machine.mem.base[i], "%s: RAM at %#zx is %#x, not %#x", what, i,
		     machine.mem.base[i], image[i]);
}

size_t ram_offset(uint64_t gpa)
{
	return (size_t)((uint8_t *)gmem_ptr(&machine.mem, gpa, 1) - machine.mem.base);
}

uint64_t page_gpa(size_t page)
{
	return page * 4096 < RAM_LOW ? page * 4096 : GMEM_HOLE_END + page * 4096 - RAM_LOW;
}

/* The state page of a vCPU, if it has one. */
static uint8_t *state_of(unsigned vcpu)
{
	return state_msr[vcpu] ? image + ram_offset(state_msr[vcpu] - 1) : NULL;
}

/* M-STATE-2 */
void image_in_run(unsigned vcpu, bool in_run)
{
	uint32_t value = in_run;

	if (state_of(vcpu))
		memcpy(state_of(vcpu) + offsetof(struct hf_vcpu_state, in_run), &value,
		       sizeof(value));
}

/* M-STATE-3 */
void image_flushed(unsigned vcpu)
{
	uint64_t value = kvm_side[vcpu].flushes;

	if (state_of(vcpu))
		memcpy(state_of(vcpu) + offsetof(struct hf_vcpu_state, flushes), &value,
		       sizeof(value));
}
