/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables `kvm` (steal time and PV_TLB_FLUSH, Linux
 * Documentation/virt/kvm/x86/{cpuid,msr,hypercalls}.rst) and `absent`: an interface that CPUID does
 * not show must not work.
 */
#include "shared/kvm_abi.h"

#include "guest/conform/abi/hyperv.h"
#include "guest/conform/abi/sets.h"
#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/flush/backend.h"
#include "guest/mm/page.h"
#include "shared/hyperflush_abi.h"
#include "shared/xen_abi.h"

#define KVM_ENOSYS 1000
#define KVM_EPERM  1
#define XEN_MSR	   0x40000200u /* where VMMs put it beside Hyper-V's */

static u32 kvm_base(void)
{
	return hypervisor_base(KVM_PV_SIGNATURE);
}

static u32 features(void)
{
	return kvm_base() ? cpuid(kvm_base() + KVM_PV_CPUID_FEATURES, 0).eax : 0;
}

static const char *lacking(void)
{
	return kvm_base() ? NULL : "no KVM CPUID leaf";
}

static const char *nothing_lacks(void)
{
	return NULL;
}

static void leaves(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	finding_is(f, cpuid(kvm_base(), 0).eax >= kvm_base() + KVM_PV_CPUID_FEATURES,
		   "base %#x, highest leaf %#x", kvm_base(), cpuid(kvm_base(), 0).eax);
}

static void flush_has_steal(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	if (!(features() & KVM_PV_FEATURE_TLB_FLUSH))
		finding_skip(f, "PV_TLB_FLUSH is not offered");
	else
		finding_is(f, features() & KVM_PV_FEATURE_STEAL, "features %#x", features());
}

static void leaves_agree(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	finding_is(f, leaf_same_everywhere(c, kvm_base() + KVM_PV_CPUID_FEATURES),
		   "features %#x here", features());
}

static void steal_reads_back(struct conform *c, const void *row, struct finding *f)
{
	struct kvm_pv_steal_time *area = (void *)c->output;
	u64 value = virt_to_phys(area) | 1, back;

	(void)row;
	*area = (struct kvm_pv_steal_time){ 0 };
	wrmsr(KVM_PV_MSR_STEAL_TIME, value);
	back = rdmsr(KVM_PV_MSR_STEAL_TIME);
	finding_is(f, back == value && !(area->version & 1) && !area->preempted,
		   "%#llx, version %u, preempted %u", (unsigned long long)back, area->version,
		   area->preempted);
	wrmsr(KVM_PV_MSR_STEAL_TIME, 0);
}

static void steal_is_off(struct conform *c, const void *row, struct finding *f)
{
	(void)c, (void)row;
	wrmsr(KVM_PV_MSR_STEAL_TIME, 0);
	finding_is(f, !rdmsr(KVM_PV_MSR_STEAL_TIME), "%#llx",
		   (unsigned long long)rdmsr(KVM_PV_MSR_STEAL_TIME));
}

static void steal_reserved(struct conform *c, const void *row, struct finding *f)
{
	msr_write_faults(KVM_PV_MSR_STEAL_TIME, virt_to_phys(c->output) | *(const u64 *)row, f);
}

/* An MSR or a call, and what offers it. */
struct offer {
	u32 number;
	u8 bit; /* of the features */
};

static void msr_not_offered(struct conform *c, const void *row, struct finding *f)
{
	const struct offer *o = row;

	(void)c;
	if (features() >> o->bit & 1)
		finding_skip(f, "it is offered");
	else
		msr_read_faults(o->number, f);
}

/* Then KVM takes every call for one of Hyper-V's (kvm_emulate_hypercall()). */
static bool hyperv_has_calls(struct finding *f)
{
	if (hv_lacking() || !rdmsr(HV_MSR_GUEST_OS_ID))
		return false;
	finding_skip(f, "calls are Hyper-V's, which is on");
	return true;
}

static struct attempt bare_call(u64 nr, s64 result)
{
	struct attempt a = { .call = { .target = raw_bare(), .rax = nr },
			     .cover = PROBE_ALL,
			     .result = (u64)result,
			     .result_mask = UINT64_MAX };

	cpumask_set(&a.probes, 1);
	return a;
}

static void call_not_offered(struct conform *c, const void *row, struct finding *f)
{
	const struct offer *o = row;
	struct attempt a = bare_call(o->number, -KVM_ENOSYS);

	if (o->bit < 32 && features() >> o->bit & 1) {
		finding_skip(f, "it is offered");
		return;
	}
	if (hyperv_has_calls(f))
		return;
	request_place(c, PLACE_PAGE, "", 1, 0, f);
	attempt_refused(c, &a, f);
}

static void call_from_user(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a = bare_call(*(const u64 *)row, -KVM_EPERM);

	if (!hyperv_has_calls(f))
		attempt_from_user(c, &a, RAW_USER_BARE, 0, f);
}

/* An interface that is there makes its rows of `absent` a skip. */
struct missing {
	const char *signature; /* NULL: Hyper-V */
	u32 msr;
	bool write;
};

static bool is_there(const char *signature)
{
	return signature ? hypervisor_base(signature) != 0 : !hv_lacking();
}

/* Xen puts its hypercall page's MSR where Hyper-V has its own. */
static bool is_xens(u32 msr)
{
	u32 base = hypervisor_base(XEN_SIGNATURE);

	return base && cpuid(base + XEN_CPUID_PAGES, 0).ebx == msr;
}

static void msr_is_missing(struct conform *c, const void *row, struct finding *f)
{
	const struct missing *m = row;

	if (is_there(m->signature))
		finding_skip(f, "the interface is there");
	else if (is_xens(m->msr))
		finding_skip(f, "the MSR is Xen's");
	else if (m->write)
		msr_write_faults(m->msr, virt_to_phys(c->output) | 1, f);
	else
		msr_read_faults(m->msr, f);
}

/* Whatever comes of it, an exception or an error: nothing is flushed or written. */
static void call_is_missing(struct conform *c, struct finding *f, const char *signature,
			    struct raw_call call)
{
	struct attempt a = { .call = call, .cover = PROBE_ALL, .result_mask = UINT64_MAX };
	struct raw_call first = call;

	if (is_there(signature)) {
		finding_skip(f, "the interface is there");
		return;
	}
	probes_use(c->probes, &(struct cpumask){ 0 });
	raw_call(&first);
	cpumask_set(&a.probes, 1);
	if (first.fault) {
		attempt_faults(c, &a, TRAP_UD, f);
	} else if (!first.rax) {
		finding_fail(f, "it says that it has succeeded");
	} else {
		a.result = first.rax;
		attempt_refused(c, &a, f);
	}
}

static void hyperv_call(struct conform *c, const void *row, struct finding *f)
{
	u64 input[3] = { 0, HV_FLUSH_ALL_SPACES | HV_FLUSH_ALL_PROCESSORS, 0 };

	(void)row;
	call_is_missing(c, f, NULL,
			(struct raw_call){
				.target = raw_bare(),
				.rax = UINT32_MAX,
				.rcx = HV_CALL_FLUSH_SPACE,
				.rdx = request_place(c, PLACE_PAGE, input, sizeof(input), 0, f) });
}

static void xen_call(struct conform *c, const void *row, struct finding *f)
{
	(void)row;
	request_place(c, PLACE_PAGE, "", 1, 0, f);
	call_is_missing(c, f, XEN_SIGNATURE,
			(struct raw_call){ .target = raw_bare(),
					   .rax = XEN_HVM_OP,
					   .rdi = XEN_HVMOP_FLUSH_TLBS });
}

#define CHECK(name, fn)        \
	{                      \
		name, fn, NULL \
	}
#define VALUE(name, fn, v)             \
	{                              \
		name, fn, &(const u64) \
		{                      \
			v              \
		}                      \
	}
#define OFFER(name, fn, n, b)                                \
	{                                                    \
		"unoffered." name, fn, &(const struct offer) \
		{                                            \
			n, b                                 \
		}                                            \
	}
#define NO_MSR(name, sig, m)                                                        \
	{ name "-read", msr_is_missing, &(const struct missing){ sig, m, false } }, \
	{                                                                           \
		name "-write", msr_is_missing, &(const struct missing)              \
		{                                                                   \
			sig, m, true                                                \
		}                                                                   \
	}

static const struct check checks[] = {
	CHECK("discovery.leaves", leaves),
	CHECK("discovery.flush-has-steal-time", flush_has_steal),
	CHECK("discovery.same-on-all-cpus", leaves_agree),
	CHECK("msr.steal-reads-back", steal_reads_back),
	CHECK("msr.steal-off", steal_is_off),
	VALUE("msr.steal-reserved-bit-1", steal_reserved, 1 | 1u << 1),
	VALUE("msr.steal-reserved-bit-5", steal_reserved, 1 | 1u << 5),
	OFFER("clock", msr_not_offered, 0x4b564d01, 3),
	OFFER("wall-clock", msr_not_offered, 0x4b564d00, 3),
	OFFER("old-clock", msr_not_offered, 0x12, 0),
	OFFER("async-faults", msr_not_offered, 0x4b564d02, 4),
	OFFER("eoi", msr_not_offered, 0x4b564d04, 6),
	OFFER("poll-control", msr_not_offered, 0x4b564d05, 12),
	OFFER("call-kick", call_not_offered, 5, 7),
	OFFER("call-send-ipi", call_not_offered, 10, 11),
	OFFER("call-yield", call_not_offered, 11, 13),
	OFFER("call-map-gpa-range", call_not_offered, 12, 16),
	OFFER("call-200", call_not_offered, 200, 255),
	VALUE("refused.call-200-from-ring-3", call_from_user, 200),
	VALUE("refused.call-1-from-ring-3", call_from_user, 1),
};

const struct check_table conform_kvm = {
	.abi = "kvm",
	.lacking = lacking,
	.check = checks,
	.count = ARRAY_SIZE(checks),
};

static const struct check absent[] = {
	NO_MSR("hyperv.os-id", NULL, HV_MSR_GUEST_OS_ID),
	NO_MSR("hyperv.page", NULL, HV_MSR_HYPERCALL),
	NO_MSR("hyperv.vp-index", NULL, HV_MSR_VP_INDEX),
	CHECK("hyperv.call", hyperv_call),
	NO_MSR("hyperflush.page", HF_SIGNATURE, HF_MSR_HYPERCALL_PAGE),
	NO_MSR("hyperflush.lazy-word", HF_SIGNATURE, HF_MSR_LAZY_WORD),
	NO_MSR("hyperflush.state", HF_SIGNATURE, HF_MSR_STATE),
	NO_MSR("hyperflush.ring", HF_SIGNATURE, HF_MSR_RING),
	NO_MSR("xen.page", XEN_SIGNATURE, XEN_MSR),
	CHECK("xen.call", xen_call),
	NO_MSR("kvm.steal", KVM_PV_SIGNATURE, KVM_PV_MSR_STEAL_TIME),
};

const struct check_table conform_absent = {
	.abi = "absent",
	.lacking = nothing_lacks,
	.check = absent,
	.count = ARRAY_SIZE(absent),
};
