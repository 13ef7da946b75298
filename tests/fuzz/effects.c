/* SPDX-License-Identifier: BSD-2-Clause */
#include "effects.h"

struct effects before;

void effects_look(void)
{
	memcpy(before.ram, machine.mem.base, RAM_ALL);
	memcpy(before.targets, machine.flush.targets, sizeof(before.targets));
	memcpy(before.slots, machine.detach_slots, sizeof(before.slots));
	memcpy(before.kvm, kvm_side, sizeof(before.kvm));
	for (unsigned i = 0; i < VCPUS; i++)
		before.lazy_word[i] = machine.vcpus[i].lazy_word;
	before.page = atomic_load(&machine.hypercall_page);
	before.barriers = service_calls.barriers;
}

bool same_ram(void)
{
	return !memcmp(before.ram, machine.mem.base, RAM_ALL);
}

static bool same_vcpu(unsigned i)
{
	return !memcmp(&before.targets[i], &machine.flush.targets[i], sizeof(before.targets[i])) &&
	       !memcmp(&before.kvm[i], &kvm_side[i], sizeof(before.kvm[i]));
}

static bool same_vcpus(void)
{
	return !memcmp(before.targets, machine.flush.targets, sizeof(before.targets)) &&
	       !memcmp(before.kvm, kvm_side, sizeof(before.kvm));
}

/* The roots of a slot mean nothing while it is idle. */
bool same_slots(void)
{
	for (unsigned i = 0; i < VCPUS; i++)
		if (before.slots[i].state != machine.detach_slots[i].state ||
		    before.slots[i].asking != machine.detach_slots[i].asking)
			return false;
	return true;
}

bool same_msrs(void)
{
	for (unsigned i = 0; i < VCPUS; i++)
		if (before.lazy_word[i] != machine.vcpus[i].lazy_word)
			return false;
	return before.page == atomic_load(&machine.hypercall_page);
}

void check_unchanged(const char *what)
{
	MUST(same_ram(), "%s has changed the guest's memory", what);
	MUST(same_vcpus(), "%s has changed a target", what);
	MUST(same_slots(), "%s has changed a detach slot", what);
	MUST(same_msrs(), "%s has changed an MSR", what);
	MUST(before.barriers == service_calls.barriers, "%s has interrupted everybody", what);
}

/* Has flushed since, or will before its next instruction. */
static void check_named(unsigned i, bool strong)
{
	const struct flush_target *was = &before.targets[i], *now = &machine.flush.targets[i];
	bool was_inside = was->run_seq & 1;

	MUST(now->pending || kvm_side[i].flushes != before.kvm[i].flushes ||
		     !machine.vcpus[i].initialised,
	     "vCPU %u was named, and forgotten", i);
	MUST(!was_inside || vcpu_set_test(&call_record.kicked, i), "vCPU %u goes on in the guest",
	     i);
	MUST(!strong || !was_inside || now->run_seq != was->run_seq,
	     "vCPU %u has not left KVM_RUN, and the call was STRONG", i);
}

void check_not_named(unsigned i)
{
	MUST(!vcpu_set_test(&call_record.kicked, i), "vCPU %u was kicked but not named", i);
	MUST(same_vcpu(i) || (call_record.reactions & REACT_ENTER), "vCPU %u was not named", i);
}

void check_flushed(const struct vcpu_set *named, bool strong)
{
	bool kicked = false;

	for (unsigned i = 0; i < VCPUS; i++) {
		if (vcpu_set_test(named, i))
			check_named(i, strong);
		else
			check_not_named(i);
		kicked |= vcpu_set_test(&call_record.kicked, i);
	}
	MUST(strong || !kicked || service_calls.barriers > call_record.barriers_at_kick,
	     "no barrier after the last kick");
}
