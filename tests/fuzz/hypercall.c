/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes -> a sequence of what guests do to the flush service: hyperflush and Xen calls, its MSRs,
 * stores to the memory that requests lie in, on 70 vCPUs that enter and leave KVM_RUN. After each
 * call: what the guest did wrong has changed nothing, what it did right has reached those it named
 * and nobody else, and nothing is left waiting.
 */
#include "machine_fixture.h"

#include "effects.h"
#include "reference.h"
#include "shared/xen_abi.h"
#include "vmm/hypercall.h"
#include "vmm/service.h"

#define MAX_STEPS 24u

/* Of the caller, before the call. */
static struct {
	uint64_t calls, errors, unknown_ports;
} counted;

static void look(const struct vcpu *caller)
{
	effects_look();
	counted.calls = counter_read(&caller->counters.hypercalls);
	counted.errors = counter_read(&caller->counters.hypercall_errors);
	counted.unknown_ports = counter_read(&caller->counters.unknown_ports);
}

/* A flush of those named, and no more than that. */
static void check_flush(const struct vcpu_set *named, bool strong)
{
	check_flushed(named, strong);
	MUST(same_ram(), "a flush has changed the guest's memory");
	MUST(same_slots() && same_msrs(), "a flush has changed more");
}

/* Memory and CR3s are as before, but for the vCPUs that were moved and the banks that say so. */
static void check_moved(const struct vcpu_set *named, const struct hf_detach *head, uint64_t gpa)
{
	struct gmem expected = machine.mem;
	struct vcpu_set moved = { 0 };

	expected.base = before.ram;
	for (unsigned i = 0; i < call_record.moved_count; i++) {
		unsigned vcpu = call_record.moved[i];
		const uint64_t lazy_word = before.lazy_word[vcpu], word = head->to | HF_MOVED;
		uint64_t was = 0;

		MUST(vcpu_set_test(named, vcpu), "vCPU %u is moved but not named", vcpu);
		gmem_read(&expected, lazy_word & ~1ull, &was, sizeof(was));
		MUST(lazy_word && was == (head->from | HF_LAZY), "vCPU %u was not lazy", vcpu);
		MUST(kvm_side[vcpu].cr3 == head->to, "vCPU %u is on a root of nobody's", vcpu);
		gmem_write(&expected, lazy_word & ~1ull, &word, sizeof(word));
		vcpu_set_add(&moved, vcpu);
	}
	gpa += sizeof(*head);
	for (unsigned b = 0; b < HF_MAX_BANKS; b++) {
		if (!(head->bank_mask >> b & 1))
			continue;
		gmem_write(&expected, gpa, &moved.bank[b], sizeof(moved.bank[b]));
		gpa += sizeof(moved.bank[b]);
	}
	MUST(same_ram(), "memory is not what `detach` leaves");
	MUST(same_slots() && same_msrs(), "a request is left in a detach slot");
	for (unsigned i = 0; i < VCPUS; i++) {
		MUST(vcpu_set_test(&moved, i) || before.kvm[i].cr3 == kvm_side[i].cr3,
		     "vCPU %u is moved in secret", i);
		if (!vcpu_set_test(named, i))
			check_not_named(i);
	}
}

static void check_counted(const struct vcpu *v, bool error)
{
	MUST(counter_read(&v->counters.hypercalls) == counted.calls + 1, "the call is not counted");
	MUST(counter_read(&v->counters.hypercall_errors) == counted.errors + error,
	     "errors are miscounted");
}

static void handle(struct vcpu *v, unsigned reactions)
{
	threads_call(v->index, reactions);
	look(v);
	thread_handle(v->index);
	MUST(!machine.has_verdict, "a call ends the run: %s", machine.reason);
}

static void check_done(const struct kvm_regs *asked, const uint8_t *bytes,
		       const struct vcpu_set *named)
{
	struct hf_detach head;

	switch (asked->rax) {
	case HF_CALL_FLUSH:
		check_flush(named, bytes[0] & HF_FLUSH_STRONG);
		break;
	case HF_CALL_FENCE:
		MUST(service_calls.barriers > before.barriers, "a fence without a barrier");
		before.barriers = service_calls.barriers;
		check_unchanged("a fence");
		break;
	default:
		memcpy(&head, bytes, sizeof(head));
		check_moved(named, &head, asked->rdi);
	}
}

/* What the call asks for, as it is before. */
static struct request {
	struct kvm_regs regs;
	bool good;
	uint8_t bytes[HF_MAX_REQUEST_BYTES];
	struct vcpu_set named; /* if it is good */
} request;

static void judge(const struct vcpu *v)
{
	const struct kvm_regs *asked = &v->run->s.regs.regs;

	request.regs = *asked;
	request.good = !vcpu_cpl(v) && asked->rsi <= sizeof(request.bytes) &&
		       reference_in_ram(&machine.mem, asked->rdi, asked->rsi);
	if (!request.good)
		return;
	gmem_read(&machine.mem, asked->rdi, request.bytes, asked->rsi);
	request.good = reference_call(&machine.mem, asked->rax, request.bytes, asked->rsi, v->index,
				      VCPUS, &request.named);
}

/* Another vCPU writes all over it, and that is no part of the call. */
static void spoil(uint64_t gpa, size_t bytes)
{
	struct gmem image = machine.mem;
	uint8_t other[HF_MAX_REQUEST_BYTES];

	if (!(call_record.reactions & REACT_SPOIL))
		return;
	for (size_t i = 0; i < bytes; i++)
		other[i] = (uint8_t)~request.bytes[i];
	image.base = before.ram;
	gmem_write(&image, gpa, other, bytes);
	gmem_write(&machine.mem, gpa, other, bytes);
}

static void check_call(const struct vcpu *v)
{
	const struct kvm_regs *asked = &request.regs;
	struct kvm_regs regs = v->run->s.regs.regs;
	const int64_t result = (int64_t)regs.rax;
	const bool good = request.good;

	regs.rax = asked->rax;
	MUST(!memcmp(&regs, asked, sizeof(regs)), "a call changes a register besides RAX");
	MUST(v->run->kvm_dirty_regs & KVM_SYNC_X86_REGS, "KVM does not learn the result");
	MUST((result == HF_OK) == good, "call %llu: result %lld, but the request is %s", asked->rax,
	     (long long)result, good ? "good" : "bad");
	MUST(result <= HF_OK && result >= HF_ETIME, "result %lld", (long long)result);
	check_counted(v, !good);
	if (good)
		check_done(asked, request.bytes, &request.named);
	else
		check_unchanged("a refused call");
}

static void check_unserved(const struct vcpu *v)
{
	MUST(!memcmp(&v->run->s.regs.regs, &request.regs, sizeof(request.regs)),
	     "a call that is not offered answers");
	MUST(counter_read(&v->counters.unknown_ports) == counted.unknown_ports + 1,
	     "the port is not counted");
	check_unchanged("a call that is not offered");
}

/* 1 to 3 for few inputs: those callers get nothing. */
static uint8_t cpl_of(uint8_t how)
{
	return how >> 3 == 0x1f ? 1 + how % 3 : 0;
}

static void step_call(struct input *in)
{
	struct vcpu *v = fixture_caller(in);
	struct kvm_regs *regs = &v->run->s.regs.regs;
	uint8_t how = take8(in);

	memset(regs, 0x5a, sizeof(*regs));
	regs->rax = take_small(in);
	regs->rdi = take_gpa(in, &machine.mem);
	regs->rsi = take16(in);
	if (regs->rsi == UINT16_MAX)
		regs->rsi = take64(in);
	take_patch(in, &machine.mem, regs->rdi);
	v->run->s.regs.sregs.ss.dpl = cpl_of(how);
	v->run->kvm_dirty_regs = 0;
	fixture_port_exit(v->index, SERVICE_PORT, true, 4, 1);
	judge(v);
	handle(v, how % 16);
	if (machine_offers(&machine, HF_BACKEND_HYPERFLUSH) && before.page)
		check_call(v);
	else
		check_unserved(v);
	v->run->s.regs.sregs.ss.dpl = 0;
}

static void step_xen(struct input *in)
{
	struct vcpu *v = fixture_caller(in);
	struct kvm_xen_exit *xen = &v->run->xen;
	struct vcpu_set all;
	uint8_t how = take8(in);
	uint64_t nr = take_small(in), op = take_small(in), arg = take_small(in);
	bool good = nr == XEN_HVM_OP && op == XEN_HVMOP_FLUSH_TLBS && !arg && !cpl_of(how);

	v->run->exit_reason = KVM_EXIT_XEN;
	xen->type = KVM_EXIT_XEN_HCALL;
	xen->u.hcall.input = nr;
	xen->u.hcall.params[0] = op;
	xen->u.hcall.params[1] = arg;
	xen->u.hcall.cpl = cpl_of(how);
	xen->u.hcall.result = 0x5a;
	handle(v, how % 8);
	int64_t result = (int64_t)xen->u.hcall.result;

	MUST((result == 0) == good && result <= 0, "Xen call %llu: result %lld",
	     (unsigned long long)nr, (long long)result);
	check_counted(v, !good);
	vcpu_set_fill(&all, VCPUS);
	if (good)
		check_flush(&all, false);
	else
		check_unchanged("a refused Xen call");
}

/* `out %eax, $port; ret` and nothing but INT3, as a caller that jumps into it finds it. */
static void expect_page(uint64_t gpa)
{
	const uint8_t code[] = { 0xe7, SERVICE_PORT, 0xc3 };
	struct gmem expected = machine.mem;
	uint8_t page[4096];

	expected.base = before.ram;
	memset(page, 0xcc, sizeof(page));
	memcpy(page, code, sizeof(code));
	gmem_write(&expected, gpa, page, sizeof(page));
}

/* The MSRs of the calls, and one that is nobody's. */
static uint32_t take_msr(struct input *in)
{
	static const uint32_t msrs[] = { HF_MSR_HYPERCALL_PAGE, HF_MSR_LAZY_WORD,
					 HF_MSR_HYPERCALL_PAGE + HF_MSR_COUNT };

	return msrs[take8(in) % 3];
}

static void step_wrmsr(struct input *in)
{
	struct vcpu *v = fixture_caller(in);
	uint32_t index = take_msr(in);
	uint64_t value = take_gpa(in, &machine.mem);
	bool good = machine_offers(&machine, HF_BACKEND_HYPERFLUSH) &&
		    reference_msr(&machine.mem, index, value);

	v->run->exit_reason = KVM_EXIT_X86_WRMSR;
	v->run->msr.index = index;
	v->run->msr.data = value;
	v->run->msr.error = 0x5a;
	handle(v, 0);
	MUST(v->run->msr.error == !good, "WRMSR(%#x, %#llx) is %s", index,
	     (unsigned long long)value, good ? "refused" : "taken");
	if (good && index == HF_MSR_LAZY_WORD) {
		before.lazy_word[v->index] = value;
	} else if (good) {
		before.page = value;
		if (value)
			expect_page(value - 1);
	}
	check_unchanged("WRMSR");
}

static void step_rdmsr(struct input *in)
{
	struct vcpu *v = fixture_caller(in);
	uint32_t index = take_msr(in);
	bool good = machine_offers(&machine, HF_BACKEND_HYPERFLUSH) && index <= HF_MSR_LAZY_WORD;

	v->run->exit_reason = KVM_EXIT_X86_RDMSR;
	v->run->msr.index = index;
	v->run->msr.data = v->run->msr.error = 0x5a;
	handle(v, 0);
	uint64_t expected = index == HF_MSR_LAZY_WORD ? before.lazy_word[v->index] : before.page;

	MUST(v->run->msr.error == !good, "RDMSR(%#x): error %u", index, v->run->msr.error);
	MUST(!good || v->run->msr.data == expected, "RDMSR(%#x): %#llx", index, v->run->msr.data);
	check_unchanged("RDMSR");
}

static void step_store(struct input *in)
{
	take_patch(in, &machine.mem, take_gpa(in, &machine.mem));
}

/* Another initiator is in the middle of a `detach` of this vCPU, or this vCPU in one of its own. */
static void step_busy(struct input *in)
{
	struct detach_slot *slot = &machine.detach_slots[take8(in) % VCPUS];
	uint8_t how = take8(in);

	atomic_store(&slot->state, how & 1 ? DETACH_CLAIMED : DETACH_IDLE);
	atomic_store(&slot->asking, how >> 1 & 1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fixture_create();
	thread_events.request_read = spoil;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct input *) = {
		step_call, step_xen, step_wrmsr, step_rdmsr, step_store, fixture_run, step_busy,
	};
	struct input in = { data, size };
	uint8_t shape = take8(&in);

	fixture_reset(shape & 1 ? 0 : 1u << HF_BACKEND_HYPERFLUSH);
	for (unsigned i = 0; in.left && i < MAX_STEPS; i++)
		steps[take8(&in) % (sizeof(steps) / sizeof(steps[0]))](&in);
	return 0;
}
