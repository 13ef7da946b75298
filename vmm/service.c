/* SPDX-License-Identifier: BSD-2-Clause */
#include "service.h"

#include <string.h>

#include "hypercall.h"
#include "machine.h"
#include "shared/hyperflush_abi.h"

#define PAGE_BYTES 4096u

static bool offered(const struct machine *m)
{
	return machine_offers(m, HF_BACKEND_HYPERFLUSH);
}

/* Counts a refused call and passes the code on to the guest's result register. */
static int64_t counted(struct vcpu *v, int64_t result)
{
	counter_inc(&v->counters.hypercalls);
	if (result)
		counter_inc(&v->counters.hypercall_errors);
	return result;
}

static int64_t call_flush(struct vcpu *v, uint64_t gpa, uint64_t len)
{
	struct machine *m = v->machine;
	uint8_t request[HF_MAX_REQUEST_BYTES];
	struct flush_plan plan;

	if (!len || len > sizeof(request))
		return HF_ESIZE;
	/* The only read of the request: other vCPUs may be writing it. */
	if (gmem_read(&m->mem, gpa, request, len))
		return HF_EFAULT;
	int64_t err = hypercall_decode_flush(request, len, v->index, m->vcpu_count, &plan);

	if (!err)
		flush_request(&m->flush, &plan.targets, plan.strong);
	return err;
}

int service_hyperflush(struct vcpu *v)
{
	static int64_t (*const calls[])(struct vcpu *, uint64_t, uint64_t) = {
		[HF_CALL_FLUSH] = call_flush,
	};
	struct kvm_regs *regs = &v->run->s.regs.regs;
	int64_t result;

	if (!offered(v->machine) || !atomic_load(&v->machine->hypercall_page)) {
		counter_inc(&v->counters.unknown_ports);
		return 0;
	}
	if (vcpu_cpl(v))
		result = HF_EPERM;
	else if (regs->rax >= sizeof(calls) / sizeof(calls[0]) || !calls[regs->rax])
		result = HF_ENOSYS;
	else
		result = calls[regs->rax](v, regs->rdi, regs->rsi);
	regs->rax = (uint64_t)counted(v, result);
	v->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	return 0;
}

int service_xen(struct vcpu *v)
{
	struct kvm_xen_exit *xen = &v->run->xen;
	int64_t result = hypercall_decode_xen(xen->u.hcall.input, xen->u.hcall.params[0],
					      xen->u.hcall.params[1], xen->u.hcall.cpl);

	if (!result) {
		struct vcpu_set all;

		vcpu_set_fill(&all, v->machine->vcpu_count);
		flush_request(&v->machine->flush, &all, false);
	}
	xen->u.hcall.result = (uint64_t)counted(v, result);
	return 0;
}

/* OUT to the service, then back to the caller; INT3 catches a call to anywhere else in the page. */
static int write_code_page(struct machine *m, uint64_t gpa)
{
	static const uint8_t code[] = { 0xe7, SERVICE_PORT, 0xc3 }; /* out %eax, $port; ret */
	uint8_t page[PAGE_BYTES];

	memset(page, 0xcc, sizeof(page));
	memcpy(page, code, sizeof(code));
	return gmem_write(&m->mem, gpa, page, sizeof(page));
}

int service_wrmsr(struct vcpu *v)
{
	struct machine *m = v->machine;
	uint64_t value = v->run->msr.data, gpa = value & ~(uint64_t)(PAGE_BYTES - 1);

	v->run->msr.error = 1; /* #GP */
	if (v->run->msr.index != HF_MSR_HYPERCALL_PAGE || !offered(m))
		return 0;
	if (value && (value != (gpa | 1) || write_code_page(m, gpa)))
		return 0;
	atomic_store(&m->hypercall_page, value);
	v->run->msr.error = 0;
	return 0;
}

int service_rdmsr(struct vcpu *v)
{
	struct machine *m = v->machine;

	v->run->msr.error = v->run->msr.index != HF_MSR_HYPERCALL_PAGE || !offered(m);
	v->run->msr.data = atomic_load(&m->hypercall_page);
	return 0;
}
