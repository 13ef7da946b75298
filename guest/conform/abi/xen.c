/* SPDX-License-Identifier: BSD-2-Clause */
/* Table `xen`: HVMOP_flush_tlbs (xen/include/public/hvm/hvm_op.h). */
#include "shared/xen_abi.h"

#include "guest/conform/abi/sets.h"
#include "guest/cpu/msr.h"
#include "guest/flush/backend.h"
#include "guest/mm/page.h"

#define STUB_MOV_BYTES 5u   /* the stub's MOV to EAX, before its hypercall instruction */
#define NO_SUCH_CALL   200u /* neither Xen nor the architecture uses it */

extern const char hypercall_code_xen[];

struct xen_row {
	u64 nr, op, arg; /* nr 0: hvm_op */
	u8 set;		 /* enum target_set: probes; the call is for all */
	s64 result;
};

static u32 base(void)
{
	return hypervisor_base(XEN_SIGNATURE);
}

static const char *lacking(void)
{
	if (!base())
		return "no Xen CPUID leaf";
	return cpuid(base() + XEN_CPUID_PAGES, 0).eax ? NULL : "Xen without a hypercall page";
}

static void enable(void)
{
	if ((u8)hypercall_code_xen[0] == 0xcc)
		wrmsr(cpuid(base() + XEN_CPUID_PAGES, 0).ebx, hypercall_page_xen());
}

static bool build(const struct xen_row *row, struct attempt *a, struct finding *f)
{
	struct cpumask cpus;

	*a = (struct attempt){ .result = (u64)row->result,
			       .result_mask = UINT64_MAX,
			       .cover = PROBE_ALL };
	if (!set_cpus((enum target_set)row->set, &cpus, &a->probes, f))
		return false;
	if (!row->nr && row->op == XEN_HVMOP_FLUSH_TLBS && launcher_says("qemu")) {
		a->known_result = (u64)-XEN_ENOSYS;
		a->known = "QEMU's Xen has no HVMOP_flush_tlbs (kvm_xen_hcall_hvm_op())";
	}
	enable();
	a->call = (struct raw_call){
		.target = hypercall_code_xen + (size_t)XEN_HVM_OP * XEN_HYPERCALL_STUB_BYTES +
			  STUB_MOV_BYTES,
		.rax = row->nr ? row->nr : XEN_HVM_OP,
		.rdi = row->op,
		.rsi = row->arg,
	};
	return true;
}

static void serves(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (build(row, &a, f))
		attempt_serves(c, &a, f);
}

static void refuses(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!build(row, &a, f))
		return;
	request_place(c, PLACE_PAGE, "", 1, 0, f);
	attempt_refused(c, &a, f);
}

/* By the stub itself, which loads the number. */
static void by_stub(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!build(row, &a, f))
		return;
	a.call.target = (const char *)a.call.target - STUB_MOV_BYTES;
	a.call.rax = UINT64_MAX;
	attempt_serves(c, &a, f);
}

static void preserves(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!build(row, &a, f))
		return;
	a.call.rbx = 0x1111, a.call.rcx = 0x2222, a.call.rdx = 0x3333, a.call.r8 = 0x4444;
	a.call.r9 = 0x5555, a.call.r10 = 0x6666, a.call.r12 = 0x7777, a.call.r13 = 0x8888;
	a.call.r14 = 0x9999, a.call.r15 = 0xaaaa, a.call.rbp = 0xbbbb;
	attempt_preserves(c, &a, 1u, f); /* RAX */
}

static void from_user(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (build(row, &a, f))
		attempt_from_user(c, &a, RAW_USER_BARE, 0, f);
}

static void leaves(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	finding_is(f, !(base() & 0xff) && cpuid(base(), 0).eax >= base() + XEN_CPUID_PAGES,
		   "base %#x, highest leaf %#x", base(), cpuid(base(), 0).eax);
}

static void version(struct conform *c, const void *row, struct finding *f)
{
	u32 v = cpuid(base() + XEN_CPUID_VERSION, 0).eax;

	(void)c, (void)row;
	finding_is(f, v >> 16 >= 3, "%u.%u", v >> 16, v & 0xffff);
}

static void pages(struct conform *c, const void *row, struct finding *f)
{
	struct cpuid l = cpuid(base() + XEN_CPUID_PAGES, 0);

	(void)c, (void)row;
	finding_is(f, l.eax == 1 && l.ebx >= 0x40000000 && l.ebx <= 0x4fffffff, "%u pages, MSR %#x",
		   l.eax, l.ebx);
}

static void leaves_agree(struct conform *c, const void *row, struct finding *f)
{
	u32 different = 0;

	(void)row;
	for (u32 i = 0; i <= XEN_CPUID_PAGES; i++)
		different += !leaf_same_everywhere(c, base() + i);
	finding_is(f, !different, "%u leaves differ between CPUs", different);
}

static void page_is_filled(struct conform *c, const void *row, struct finding *f)
{
	const u8 *stub =
		(const u8 *)hypercall_code_xen + (size_t)XEN_HVM_OP * XEN_HYPERCALL_STUB_BYTES;

	(void)c, (void)row;
	enable();
	finding_is(f, stub[0] == 0xb8 && stub[1] == XEN_HVM_OP && stub[5] == 0x0f,
		   "hvm_op's stub begins with %02x %02x", stub[0], stub[1]);
}

#define CHECK(name, fn)        \
	{                      \
		name, fn, NULL \
	}
#define ROW(name, fn, ...)                        \
	{                                         \
		name, fn, &(const struct xen_row) \
		{                                 \
			__VA_ARGS__               \
		}                                 \
	}
#define FLUSH		.op = XEN_HVMOP_FLUSH_TLBS
#define SERVED(name, s) ROW("flush." name, serves, FLUSH, .set = s)
#define REFUSED(name, e, ...) \
	ROW("refused." name, refuses, .set = SET_ONE, .result = -(e), __VA_ARGS__)

static const struct check checks[] = {
	CHECK("discovery.leaves", leaves),
	CHECK("discovery.version", version),
	CHECK("discovery.pages", pages),
	CHECK("discovery.same-on-all-cpus", leaves_agree),
	CHECK("msr.page-is-filled", page_is_filled),
	SERVED("one", SET_ONE),
	SERVED("two", SET_TWO),
	SERVED("self", SET_SELF),
	SERVED("self-and-one", SET_SELF_AND_ONE),
	SERVED("all", SET_ALL),
	SERVED("64", SET_64),
	SERVED("one-of-each-bank", SET_1_64),
	ROW("flush.by-stub", by_stub, FLUSH, .set = SET_ONE),
	ROW("flush.preserves-registers", preserves, FLUSH, .set = SET_ONE),
	REFUSED("argument", XEN_EINVAL, FLUSH, .arg = 0x1000),
	REFUSED("argument-in-high-half", XEN_EINVAL, FLUSH, .arg = 1ull << 32),
	REFUSED("no-such-operation", XEN_ENOSYS, .op = 99),
	REFUSED("operation-in-high-half", XEN_ENOSYS, .op = 1ull << 32 | XEN_HVMOP_FLUSH_TLBS),
	REFUSED("no-such-call", XEN_ENOSYS, .nr = NO_SUCH_CALL, FLUSH),
	ROW("refused.from-ring-3", from_user, FLUSH, .set = SET_ONE, .result = -XEN_EPERM),
};

const struct check_table conform_xen = {
	.abi = "xen",
	.lacking = lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};
