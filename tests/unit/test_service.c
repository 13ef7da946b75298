/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/service.c: a vCPU's exit in, its registers, the targets and the counters out. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "shared/xen_abi.h"
#include "vmm/hypercall.h"
#include "vmm/machine.h"
#include "vmm/service.h"

#define VCPUS	  70u
#define RAM_BYTES (1u << 20)
#define REQUEST	  0x8000u
#define PAGE	  0x3000u
#define SELF	  3u

static struct machine machine;
static struct vcpu *self;

/* Nobody runs in these tests. */
static void kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	(void)vcpu;
	fail();
}

static void barrier(void *ctx)
{
	(void)ctx;
	fail();
}

static int setup(void **state)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };
	size_t bytes = VCPUS * sizeof(struct flush_target);

	(void)state;
	memset(&machine, 0, sizeof(machine));
	machine.advertised = 1u << HF_BACKEND_HYPERFLUSH;
	machine.vcpu_count = VCPUS;
	machine.vcpus = test_calloc(VCPUS, sizeof(*machine.vcpus));
	machine.flush = (struct flush_service){ .count = VCPUS, .ops = &ops, .ctx = &machine };
	machine.flush.targets = aligned_alloc(_Alignof(struct flush_target), bytes);
	if (!machine.flush.targets || gmem_create(&machine.mem, RAM_BYTES))
		return -1;
	memset(machine.flush.targets, 0, bytes);
	for (unsigned i = 0; i < VCPUS; i++)
		machine.vcpus[i] = (struct vcpu){ .machine = &machine,
						  .index = i,
						  .flush = &machine.flush.targets[i] };
	self = &machine.vcpus[SELF];
	self->run = test_calloc(1, sizeof(*self->run));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_free(self->run);
	gmem_destroy(&machine.mem);
	free(machine.flush.targets);
	test_free(machine.vcpus);
	return 0;
}

static bool wrmsr(uint32_t index, uint64_t value)
{
	self->run->msr.index = index;
	self->run->msr.data = value;
	assert_int_equal(service_wrmsr(self), 0);
	return !self->run->msr.error;
}

static void register_page(void)
{
	assert_true(wrmsr(HF_MSR_HYPERCALL_PAGE, PAGE | 1));
}

static int64_t call(uint64_t nr, uint64_t gpa, uint64_t len)
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

static void put_request(uint64_t gpa, const struct hf_flush *head)
{
	assert_int_equal(gmem_write(&machine.mem, gpa, head, sizeof(*head)), 0);
}

static unsigned pending(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VCPUS; i++)
		n += atomic_load(&machine.flush.targets[i].pending);
	return n;
}

static uint64_t errors(void)
{
	return counter_read(&self->counters.hypercall_errors);
}

static void flush_everybody(void **state)
{
	const struct hf_flush all = { .set_kind = HF_SET_ALL };
	const struct hf_flush others = { .set_kind = HF_SET_ALL_BUT_SELF };

	(void)state;
	register_page();
	put_request(REQUEST, &others);
	assert_s64(call(HF_CALL_FLUSH, REQUEST, sizeof(others)), HF_OK);
	assert_int_equal(pending(), VCPUS - 1);
	assert_int_equal(self->flush->pending, 0);
	put_request(REQUEST, &all);
	assert_s64(call(HF_CALL_FLUSH, REQUEST, sizeof(all)), HF_OK);
	assert_int_equal(pending(), VCPUS);
	assert_int_equal(counter_read(&self->counters.hypercalls), 2);
	assert_int_equal(errors(), 0);
}

static void unknown_calls(void **state)
{
	static const uint64_t calls[] = { 0, HF_CALL_FLUSH + 1, 1000, 1ull << 32 | HF_CALL_FLUSH,
					  UINT64_MAX };

	(void)state;
	register_page();
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		assert_s64(call(calls[i], REQUEST, sizeof(struct hf_flush)), HF_ENOSYS);
		assert_int_equal(errors(), i + 1);
	}
	assert_int_equal(counter_read(&self->counters.hypercalls), COUNT_OF(calls));
	assert_int_equal(pending(), 0);
}

static void callers_outside_the_kernel(void **state)
{
	const struct hf_flush all = { .set_kind = HF_SET_ALL };

	(void)state;
	register_page();
	put_request(REQUEST, &all);
	for (uint8_t cpl = 1; cpl <= 3; cpl++) {
		self->run->s.regs.sregs.ss.dpl = cpl;
		assert_s64(call(HF_CALL_FLUSH, REQUEST, sizeof(all)), HF_EPERM);
	}
	assert_int_equal(errors(), 3);
	assert_int_equal(pending(), 0);
}

static void request_outside_ram(void **state)
{
	static const uint64_t gpas[] = { RAM_BYTES - sizeof(struct hf_flush) + 1,
					 RAM_BYTES,
					 GMEM_HOLE_START,
					 GMEM_HOLE_END,
					 UINT64_MAX,
					 0 - sizeof(struct hf_flush) };

	(void)state;
	register_page();
	for (size_t i = 0; i < COUNT_OF(gpas); i++)
		assert_s64(call(HF_CALL_FLUSH, gpas[i], sizeof(struct hf_flush)), HF_EFAULT);
	const struct hf_flush all = { .set_kind = HF_SET_ALL };

	put_request(RAM_BYTES - sizeof(all), &all);
	assert_s64(call(HF_CALL_FLUSH, RAM_BYTES - sizeof(all), sizeof(all)), HF_OK);
}

static void request_lengths(void **state)
{
	const struct hf_flush all = { .set_kind = HF_SET_ALL };

	(void)state;
	register_page();
	put_request(REQUEST, &all);
	assert_s64(call(HF_CALL_FLUSH, REQUEST, sizeof(all) - 1), HF_ESIZE);
	assert_s64(call(HF_CALL_FLUSH, REQUEST, sizeof(all) + 1), HF_ESIZE);
	assert_s64(call(HF_CALL_FLUSH, REQUEST, HF_MAX_REQUEST_BYTES), HF_ESIZE);
	assert_s64(call(HF_CALL_FLUSH, REQUEST, HF_MAX_REQUEST_BYTES + 1), HF_ESIZE);
	assert_s64(call(HF_CALL_FLUSH, REQUEST, UINT64_MAX), HF_ESIZE);
	assert_s64(call(HF_CALL_FLUSH, REQUEST, 1ull << 32 | sizeof(all)), HF_ESIZE);
	assert_int_equal(pending(), 0);
}

/* A length of nothing is a wrong length, wherever it lies. */
static void request_of_no_bytes(void **state)
{
	(void)state;
	register_page();
	assert_s64(call(HF_CALL_FLUSH, REQUEST, 0), HF_ESIZE);
}

static void refused_request_changes_nothing(void **state)
{
	struct hf_flush bad = { .set_kind = HF_SET_ALL, .flags = 1u << 31 };

	(void)state;
	register_page();
	put_request(REQUEST, &bad);
	assert_s64(call(HF_CALL_FLUSH, REQUEST, sizeof(bad)), HF_EFLAGS);
	assert_int_equal(pending(), 0);
	assert_int_equal(errors(), 1);
}

/* The port is no device until the guest has a page, and none at all if it is not advertised. */
static void not_in_use(void **state)
{
	struct kvm_regs before;

	(void)state;
	memset(&self->run->s.regs.regs, 0x5a, sizeof(before));
	before = self->run->s.regs.regs;
	assert_int_equal(service_hyperflush(self), 0);
	register_page();
	machine.advertised = 0;
	assert_int_equal(service_hyperflush(self), 0);
	assert_memory_equal(&self->run->s.regs.regs, &before, sizeof(before));
	assert_int_equal(self->run->kvm_dirty_regs, 0);
	assert_int_equal(counter_read(&self->counters.unknown_ports), 2);
	assert_int_equal(counter_read(&self->counters.hypercalls), 0);
}

static void page_msr(void **state)
{
	static const uint64_t refused[] = { PAGE,
					    PAGE | 2,
					    PAGE | 3,
					    PAGE | 0x801,
					    1ull << 63,
					    RAM_BYTES | 1,
					    GMEM_HOLE_START | 1,
					    UINT64_MAX,
					    2 };
	uint8_t zero[64] = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		assert_false(wrmsr(HF_MSR_HYPERCALL_PAGE, refused[i]));
	assert_int_equal(machine.hypercall_page, 0);
	assert_memory_equal(machine.mem.base + PAGE, zero, sizeof(zero));
	assert_false(wrmsr(HF_MSR_HYPERCALL_PAGE + 1, PAGE | 1));
	register_page();
	assert_int_equal(machine.hypercall_page, PAGE | 1);
	assert_true(wrmsr(HF_MSR_HYPERCALL_PAGE, 0));
	assert_int_equal(machine.hypercall_page, 0);
	machine.advertised = 0;
	assert_false(wrmsr(HF_MSR_HYPERCALL_PAGE, PAGE | 1));
	assert_false(wrmsr(HF_MSR_HYPERCALL_PAGE, 0));
}

static void code_page(void **state)
{
	const uint8_t *page;

	(void)state;
	register_page();
	page = machine.mem.base + PAGE;
	assert_int_equal(page[0], 0xe7); /* out %eax, $port */
	assert_int_equal(page[1], SERVICE_PORT);
	assert_int_equal(page[2], 0xc3);
	for (unsigned i = 3; i < 4096; i++)
		assert_int_equal(page[i], 0xcc);
	assert_int_equal(page[4096], 0);
}

static void page_msr_reads_back(void **state)
{
	(void)state;
	register_page();
	self->run->msr.index = HF_MSR_HYPERCALL_PAGE;
	assert_int_equal(service_rdmsr(self), 0);
	assert_int_equal(self->run->msr.error, 0);
	assert_int_equal(self->run->msr.data, PAGE | 1);
	self->run->msr.index = HF_MSR_HYPERCALL_PAGE + 1;
	assert_int_equal(service_rdmsr(self), 0);
	assert_int_equal(self->run->msr.error, 1);
	self->run->msr.index = HF_MSR_HYPERCALL_PAGE;
	machine.advertised = 0;
	assert_int_equal(service_rdmsr(self), 0);
	assert_int_equal(self->run->msr.error, 1);
}

static int64_t xen_call(uint64_t nr, uint64_t op, uint64_t arg, uint32_t cpl)
{
	struct kvm_xen_exit *x = &self->run->xen;

	memset(x, 0, sizeof(*x));
	x->type = KVM_EXIT_XEN_HCALL;
	x->u.hcall.longmode = 1;
	x->u.hcall.cpl = cpl;
	x->u.hcall.input = nr;
	x->u.hcall.params[0] = op;
	x->u.hcall.params[1] = arg;
	x->u.hcall.result = 0x5a5a;
	assert_int_equal(service_xen(self), 0);
	return (int64_t)x->u.hcall.result;
}

static void xen_flushes_everybody(void **state)
{
	(void)state;
	machine.advertised = 1u << HF_BACKEND_XEN;
	assert_s64(xen_call(XEN_HVM_OP, XEN_HVMOP_FLUSH_TLBS, 0, 0), 0);
	assert_int_equal(pending(), VCPUS);
	assert_int_equal(errors(), 0);
}

static void xen_refuses(void **state)
{
	(void)state;
	machine.advertised = 1u << HF_BACKEND_XEN;
	assert_s64(xen_call(XEN_HVM_OP, XEN_HVMOP_FLUSH_TLBS, 1, 0), -XEN_EINVAL);
	assert_s64(xen_call(XEN_HVM_OP, 0, 0, 0), -XEN_ENOSYS);
	assert_s64(xen_call(XEN_HVM_OP, XEN_HVMOP_FLUSH_TLBS, 0, 3), -XEN_EPERM);
	assert_int_equal(pending(), 0);
	assert_int_equal(errors(), 3);
	assert_int_equal(counter_read(&self->counters.hypercalls), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flush_everybody),
		TEST(unknown_calls),
		TEST(callers_outside_the_kernel),
		TEST(request_outside_ram),
		TEST(request_lengths),
		TEST(request_of_no_bytes),
		TEST(refused_request_changes_nothing),
		TEST(not_in_use),
		TEST(page_msr),
		TEST(code_page),
		TEST(page_msr_reads_back),
		TEST(xen_flushes_everybody),
		TEST(xen_refuses),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
