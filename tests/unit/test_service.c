/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/service.c: a vCPU's exit in, its registers, the targets and the counters out. Nobody is
 * in KVM_RUN. `fence`, `detach` and the lazy word: test_service_detach.c.
 */
#include "unit.h"

#include <string.h>

#include "service_fixture.h"
#include "shared/xen_abi.h"
#include "vmm/hypercall.h"
#include "vmm/service.h"

static void put_request(uint64_t gpa, const struct hf_flush *head)
{
	assert_int_equal(gmem_write(&machine.mem, gpa, head, sizeof(*head)), 0);
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

/* M-CALL-2 */
static void unknown_calls(void **state)
{
	static const uint64_t calls[] = { 0,
					  HF_CALL_DETACH + 1,
					  1000,
					  1ull << 32 | HF_CALL_FLUSH,
					  1ull << 32 | HF_CALL_DETACH,
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

/* M-CALL-3 */
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

/* M-CALL-4 */
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

/* M-CALL-5 */
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

/* A length of nothing is a wrong length, wherever it lies. M-CALL-5. */
static void request_of_no_bytes(void **state)
{
	(void)state;
	register_page();
	assert_s64(call(HF_CALL_FLUSH, REQUEST, 0), HF_ESIZE);
}

/* M-CALL-6 */
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

/* The port is no device until the guest has a page, and none at all if it is not advertised.
 * M-CPUID-5, M-PAGE-4. */
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

/* M-PAGE-1, M-PAGE-2 */
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
		assert_false(wrmsr(self, HF_MSR_HYPERCALL_PAGE, refused[i]));
	assert_int_equal(machine.hypercall_page, 0);
	assert_memory_equal(machine.mem.base + PAGE, zero, sizeof(zero));
	assert_false(wrmsr(self, HF_MSR_HYPERCALL_PAGE + HF_MSR_COUNT, PAGE | 1));
	assert_false(wrmsr(self, HF_MSR_HYPERCALL_PAGE - 1, PAGE | 1));
	register_page();
	assert_int_equal(machine.hypercall_page, PAGE | 1);
	assert_true(wrmsr(self, HF_MSR_HYPERCALL_PAGE, 0));
	assert_int_equal(machine.hypercall_page, 0);
	machine.advertised = 0;
	assert_false(wrmsr(self, HF_MSR_HYPERCALL_PAGE, PAGE | 1));
	assert_false(wrmsr(self, HF_MSR_HYPERCALL_PAGE, 0));
}

/* M-PAGE-1 */
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

/* M-PAGE-3 */
static void page_msr_reads_back(void **state)
{
	uint64_t value;

	(void)state;
	register_page();
	assert_true(rdmsr(self, HF_MSR_HYPERCALL_PAGE, &value));
	assert_int_equal(value, PAGE | 1);
	assert_true(rdmsr(&machine.vcpus[0], HF_MSR_HYPERCALL_PAGE, &value)); /* the machine's */
	assert_int_equal(value, PAGE | 1);
	assert_false(rdmsr(self, HF_MSR_HYPERCALL_PAGE + HF_MSR_COUNT, &value));
	assert_false(rdmsr(self, HF_MSR_HYPERCALL_PAGE - 1, &value));
	machine.advertised = 0;
	assert_false(rdmsr(self, HF_MSR_HYPERCALL_PAGE, &value));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVICE_TEST(flush_everybody),
		SERVICE_TEST(unknown_calls),
		SERVICE_TEST(callers_outside_the_kernel),
		SERVICE_TEST(request_outside_ram),
		SERVICE_TEST(request_lengths),
		SERVICE_TEST(request_of_no_bytes),
		SERVICE_TEST(refused_request_changes_nothing),
		SERVICE_TEST(not_in_use),
		SERVICE_TEST(page_msr),
		SERVICE_TEST(code_page),
		SERVICE_TEST(page_msr_reads_back),
		SERVICE_TEST(xen_flushes_everybody),
		SERVICE_TEST(xen_refuses),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
