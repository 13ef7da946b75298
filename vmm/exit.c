/* SPDX-License-Identifier: BSD-2-Clause */
#include "exit.h"

#include <string.h>

#include "device.h"
#include "machine.h"
#include "service.h"

#define RESET_RIP 0xfff0u

static int crashed(struct vcpu *v, const char *what)
{
	const struct kvm_regs *regs = &v->run->s.regs.regs;
	const struct kvm_sregs *sregs = &v->run->s.regs.sregs;

	machine_stop(v->machine, RUN_CRASHED,
		     "vCPU %u: %s at rip=%#llx rsp=%#llx cr2=%#llx cr3=%#llx", v->index, what,
		     regs->rip, regs->rsp, sregs->cr2, sregs->cr3);
	return 0;
}

/* Nothing lies there: reads are all ones, writes go nowhere. */
static int handle_mmio(struct vcpu *v)
{
	counter_inc(&v->counters.unknown_mmio);
	if (!v->run->mmio.is_write)
		memset(v->run->mmio.data, 0xff, sizeof(v->run->mmio.data));
	return 0;
}

static int handle_xen(struct vcpu *v)
{
	if (v->run->xen.type != KVM_EXIT_XEN_HCALL)
		return crashed(v, "unknown Xen exit");
	return service_xen(v);
}

static int handle_shutdown(struct vcpu *v)
{
	/*
	 * On AMD the state is undefined then (APM vol 2 15.14.3) and KVM has reset the vCPU. Its
	 * tracepoint comes before that.
	 */
	if (v->run->s.regs.regs.rip == RESET_RIP) {
		machine_stop(v->machine, RUN_CRASHED,
			     "vCPU %u: triple fault; KVM has reset it, its registers are lost "
			     "(rip: tracepoint kvm:kvm_exit)",
			     v->index);
		return 0;
	}
	return crashed(v, "triple fault");
}

static int handle_fail_entry(struct vcpu *v)
{
	machine_stop(v->machine, RUN_CRASHED, "vCPU %u: entry failed, hardware reason %#llx",
		     v->index, v->run->fail_entry.hardware_entry_failure_reason);
	return 0;
}

static int handle_internal_error(struct vcpu *v)
{
	machine_stop(v->machine, RUN_CRASHED,
		     "vCPU %u: KVM internal error, suberror %u, at rip=%#llx", v->index,
		     v->run->internal.suberror, v->run->s.regs.regs.rip);
	return 0;
}

static int handle_system_event(struct vcpu *v)
{
	machine_stop(v->machine, RUN_FAILED, "vCPU %u: system event %u without a verdict", v->index,
		     v->run->system_event.type);
	return 0;
}

static int handle_nothing(struct vcpu *v)
{
	(void)v;
	return 0;
}

/* A row without a handler: nothing that this VMM sets up leads there. */
static const struct {
	const char *name;
	int (*handle)(struct vcpu *v);
} exits[VCPU_EXIT_REASONS] = {
	[KVM_EXIT_UNKNOWN] = { "unknown", NULL },
	[KVM_EXIT_EXCEPTION] = { "exception", NULL },
	[KVM_EXIT_IO] = { "io", device_io },
	[KVM_EXIT_HYPERCALL] = { "hypercall", NULL },
	[KVM_EXIT_DEBUG] = { "debug", NULL },
	[KVM_EXIT_HLT] = { "hlt", NULL },
	[KVM_EXIT_MMIO] = { "mmio", handle_mmio },
	[KVM_EXIT_IRQ_WINDOW_OPEN] = { "irq_window_open", handle_nothing },
	[KVM_EXIT_SHUTDOWN] = { "shutdown", handle_shutdown },
	[KVM_EXIT_FAIL_ENTRY] = { "fail_entry", handle_fail_entry },
	[KVM_EXIT_INTR] = { "intr", handle_nothing },
	[KVM_EXIT_SET_TPR] = { "set_tpr", handle_nothing },
	[KVM_EXIT_TPR_ACCESS] = { "tpr_access", handle_nothing },
	[KVM_EXIT_NMI] = { "nmi", NULL },
	[KVM_EXIT_INTERNAL_ERROR] = { "internal_error", handle_internal_error },
	[KVM_EXIT_SYSTEM_EVENT] = { "system_event", handle_system_event },
	[KVM_EXIT_IOAPIC_EOI] = { "ioapic_eoi", handle_nothing },
	[KVM_EXIT_HYPERV] = { "hyperv", NULL },
	[KVM_EXIT_X86_RDMSR] = { "rdmsr", service_rdmsr },
	[KVM_EXIT_X86_WRMSR] = { "wrmsr", service_wrmsr },
	[KVM_EXIT_DIRTY_RING_FULL] = { "dirty_ring_full", NULL },
	[KVM_EXIT_X86_BUS_LOCK] = { "bus_lock", NULL },
	[KVM_EXIT_XEN] = { "xen", handle_xen },
	[KVM_EXIT_NOTIFY] = { "notify", NULL },
};

const char *exit_name(unsigned reason)
{
	return reason < VCPU_EXIT_REASONS ? exits[reason].name : NULL;
}

int exit_handle(struct vcpu *v)
{
	unsigned reason = v->run->exit_reason;

	if (__builtin_expect(reason >= VCPU_EXIT_REASONS || !exits[reason].handle, 0)) {
		machine_stop(v->machine, RUN_CRASHED, "vCPU %u: unexpected KVM exit %u (%s)",
			     v->index, reason, exit_name(reason) ? exit_name(reason) : "no name");
		return 0;
	}
	counter_inc(&v->exits[reason]);
	return exits[reason].handle(v);
}
