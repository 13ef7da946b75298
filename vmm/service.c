/* SPDX-License-Identifier: BSD-2-Clause */
#include "service.h"

#include <string.h>

#include "detach.h"
#include "hypercall.h"
#include "machine.h"
#include "shared/hyperflush_abi.h"
#include "watch.h"

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

/* A request's bytes, copied out of the guest. */
struct request {
	uint64_t gpa, len;
	uint8_t bytes[HF_MAX_REQUEST_BYTES];
};

static void flush(struct vcpu *v, const struct request *r, const struct flush_plan *plan)
{
	flush_request(watch_begin(v->watch, plan->strong ? WATCH_STRONG : WATCH_FLUSH,
				  &v->machine->flush),
		      &plan->targets, plan->strong);
	watch_end(v->watch, v->watch ? hypercall_flush_pages(r->bytes) : 0);
}

static int64_t call_flush(struct vcpu *v, const struct request *r)
{
	struct machine *m = v->machine;
	struct flush_plan plan;
	int64_t err = hypercall_decode_flush(r->bytes, r->len, v->index, m->vcpu_count, &plan);

	if (!err)
		flush(v, r, &plan);
	return err;
}

/* One barrier serves every target: it reaches all running threads of the process. */
static void fence(struct vcpu *v)
{
	struct flush_service *service = watch_begin(v->watch, WATCH_FENCE, &v->machine->flush);

	service->ops->barrier(service->ctx);
	watch_end(v->watch, 0);
}

static int64_t call_fence(struct vcpu *v, const struct request *r)
{
	struct machine *m = v->machine;
	struct vcpu_set targets;
	int64_t err = hypercall_decode_fence(r->bytes, r->len, v->index, m->vcpu_count, &targets);

	if (!err)
		fence(v);
	return err;
}

/* Writes the banks of `mask` over those of the request. */
static int64_t write_moved(struct machine *m, const struct request *r, uint64_t mask,
			   const struct vcpu_set *moved)
{
	uint64_t banks[HF_MAX_BANKS];
	size_t n = 0;

	for (uint64_t left = mask; left; left &= left - 1)
		banks[n++] = moved->bank[__builtin_ctzll(left)];
	/* It was RAM when the request was read, and RAM does not go away. */
	return n && gmem_write(&m->mem, r->gpa + sizeof(struct hf_detach), banks,
			       n * sizeof(banks[0]))
		       ? HF_EFAULT
		       : HF_OK;
}

static int64_t call_detach(struct vcpu *v, const struct request *r)
{
	struct machine *m = v->machine;
	struct detach_plan plan;
	struct vcpu_set moved;
	int64_t err = hypercall_decode_detach(r->bytes, r->len, v->index, m->vcpu_count, &plan);

	if (err)
		return err;
	/* KVM refuses a CR3 beyond physical addresses, and that would be our failure. */
	if (!gmem_ptr(&m->mem, plan.to, PAGE_BYTES))
		return HF_EROOT;
	detach_request(watch_begin(v->watch, WATCH_DETACH, &m->flush), m->detach_slots, v->index,
		       &plan.targets, &(struct detach_roots){ plan.from, plan.to },
		       plan.deadline_us, &moved);
	watch_end(v->watch, 0);
	return write_moved(m, r, plan.bank_mask, &moved);
}

typedef int64_t service_call(struct vcpu *v, const struct request *r);

static service_call *const calls[] = {
	[HF_CALL_FLUSH] = call_flush,
	[HF_CALL_FENCE] = call_fence,
	[HF_CALL_DETACH] = call_detach,
};

static int64_t serve(struct vcpu *v, uint64_t nr, uint64_t gpa, uint64_t len)
{
	struct request r;

	if (nr >= sizeof(calls) / sizeof(calls[0]) || !calls[nr])
		return HF_ENOSYS;
	if (!len || len > sizeof(r.bytes))
		return HF_ESIZE;
	r.gpa = gpa;
	r.len = len;
	/* The only read of the request: other vCPUs may be writing it. */
	if (gmem_read(&v->machine->mem, gpa, r.bytes, len))
		return HF_EFAULT;
	return calls[nr](v, &r);
}

int service_hyperflush(struct vcpu *v)
{
	struct kvm_regs *regs = &v->run->s.regs.regs;
	int64_t result;

	if (!offered(v->machine) || !atomic_load(&v->machine->hypercall_page)) {
		counter_inc(&v->counters.unknown_ports);
		return 0;
	}
	result = vcpu_cpl(v) ? HF_EPERM : serve(v, regs->rax, regs->rdi, regs->rsi);
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
		flush_request(watch_begin(v->watch, WATCH_FLUSH, &v->machine->flush), &all, false);
		watch_end(v->watch, UINT64_MAX);
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

static bool set_hypercall_page(struct vcpu *v, uint64_t value)
{
	struct machine *m = v->machine;
	uint64_t gpa = value & ~(uint64_t)(PAGE_BYTES - 1);

	if (value && (value != (gpa | 1) || write_code_page(m, gpa)))
		return false;
	atomic_store(&m->hypercall_page, value);
	return true;
}

/*
 * An MSR's value gpa | 1 as `bytes` of RAM, aligned; 0 as NULL. False: it is neither.
 */
static bool split(const struct vcpu *v, uint64_t value, uint64_t alignment, uint64_t bytes,
		  void **ram)
{
	uint64_t gpa = value & ~(uint64_t)1;

	*ram = NULL;
	if (!value)
		return true;
	if (!(value & 1) || gpa % alignment)
		return false;
	*ram = gmem_ptr(&v->machine->mem, gpa, bytes);
	return *ram;
}

static bool set_lazy_word(struct vcpu *v, uint64_t value)
{
	void *word;

	if (!split(v, value, sizeof(uint64_t), sizeof(uint64_t), &word))
		return false;
	v->lazy_word = value;
	return true;
}

static bool set_state(struct vcpu *v, uint64_t value)
{
	void *ram;

	if (!split(v, value, sizeof(*v->state), sizeof(*v->state), &ram))
		return false;
	v->state = ram;
	v->state_msr = value;
	if (v->state)
		__atomic_store_n(&v->state->flushes, v->flushes, __ATOMIC_RELEASE);
	return true;
}

static bool set_ring(struct vcpu *v, uint64_t value)
{
	void *ram;

	if (!split(v, value, PAGE_BYTES, sizeof(struct hf_ring), &ram))
		return false;
	/* Waits for a pass at most, and no pass waits for a vCPU. */
	ring_service_attach(&v->machine->rings, v->index, ram);
	v->ring_msr = value;
	return true;
}

static bool set_msr(struct vcpu *v, uint32_t index, uint64_t value)
{
	switch (index) {
	case HF_MSR_HYPERCALL_PAGE:
		return set_hypercall_page(v, value);
	case HF_MSR_LAZY_WORD:
		return set_lazy_word(v, value);
	case HF_MSR_STATE:
		return set_state(v, value);
	case HF_MSR_RING:
		return set_ring(v, value);
	default:
		return false;
	}
}

static bool get_msr(const struct vcpu *v, uint32_t index, uint64_t *value)
{
	switch (index) {
	case HF_MSR_HYPERCALL_PAGE:
		*value = atomic_load(&v->machine->hypercall_page);
		return true;
	case HF_MSR_LAZY_WORD:
		*value = v->lazy_word;
		return true;
	case HF_MSR_STATE:
		*value = v->state_msr;
		return true;
	case HF_MSR_RING:
		*value = v->ring_msr;
		return true;
	default:
		return false;
	}
}

/* run->msr.error makes it #GP. */
int service_wrmsr(struct vcpu *v)
{
	v->run->msr.error =
		!offered(v->machine) || !set_msr(v, v->run->msr.index, v->run->msr.data);
	return 0;
}

int service_rdmsr(struct vcpu *v)
{
	uint64_t value = 0;

	v->run->msr.error = !offered(v->machine) || !get_msr(v, v->run->msr.index, &value);
	v->run->msr.data = value;
	return 0;
}
