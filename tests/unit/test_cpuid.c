/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/cpuid.c on made-up KVM_GET_SUPPORTED_CPUID tables, of an Intel and of an AMD host. */
#include "unit.h"

#include <string.h>

#include "shared/backends.h"
#include "shared/hyperflush_abi.h"
#include "shared/hyperv_abi.h"
#include "shared/kvm_abi.h"
#include "shared/xen_abi.h"
#include "vmm/cpuid.h"
#include "vmm/service.h"

#define BIT(backend)   (1u << HF_BACKEND_##backend)
#define HYPERVISOR     0x40000000u
#define HYPERVISOR_END 0x40010000u
#define INDEXED	       KVM_CPUID_FLAG_SIGNIFCANT_INDEX

static struct kvm_cpuid_entry2 intel_entries[] = {
	{ .function = 0, .eax = 0x1f, .ebx = 0x756e6547, .ecx = 0x6c65746e, .edx = 0x49656e69 },
	{ .function = 1,
	  .eax = 0x606a6,
	  .ebx = 0x07400800, /* id 7, 64 logical CPUs, CLFLUSH 8 */
	  .ecx = 1u << 3 | 1u << 24,
	  .edx = 1u << 28 | 1u << 25 },
	/* L1, L2, L3; the L3 shared by 64 threads; 32 cores. */
	{ .function = 4, .index = 0, .flags = INDEXED, .eax = 0x7c004121 },
	{ .function = 4, .index = 1, .flags = INDEXED, .eax = 0x7c004143 },
	{ .function = 4, .index = 2, .flags = INDEXED, .eax = 0x7c0fc163 },
	{ .function = 4, .index = 3, .flags = INDEXED },
	{ .function = 5, .eax = 0x40, .ebx = 0x40, .ecx = 3, .edx = 0x20 },
	{ .function = 7, .index = 0, .flags = INDEXED, .eax = 2, .ebx = 0x1234 },
	{ .function = 0xb,
	  .index = 0,
	  .flags = INDEXED,
	  .eax = 1,
	  .ebx = 2,
	  .ecx = 0x100,
	  .edx = 7 },
	{ .function = 0xb,
	  .index = 1,
	  .flags = INDEXED,
	  .eax = 6,
	  .ebx = 64,
	  .ecx = 0x201,
	  .edx = 7 },
	{ .function = 0x1f,
	  .index = 0,
	  .flags = INDEXED,
	  .eax = 1,
	  .ebx = 2,
	  .ecx = 0x100,
	  .edx = 7 },
	{ .function = 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b },
	{ .function = 0x40000001, .eax = UINT32_MAX },
	{ .function = 0x80000000, .eax = 0x80000008 },
	{ .function = 0x80000001, .edx = 1u << 29 },
};

static struct kvm_cpuid_entry2 amd_entries[] = {
	{ .function = 0, .eax = 7, .ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65 },
	{ .function = 1, .eax = 0x800f12, .ebx = 0x00010800, .ecx = 1u << 3 },
	{ .function = 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b },
	{ .function = 0x40000001, .eax = UINT32_MAX },
	{ .function = 0x80000000, .eax = 0x80000026 },
	{ .function = 0x80000008, .eax = 0x3030, .ebx = 0x1000, .ecx = 0x0003703f },
	{ .function = 0x8000001e, .eax = 9, .ebx = 0x0104, .ecx = 3 },
	{ .function = 0x80000026, .index = 0, .flags = INDEXED, .eax = 1, .ebx = 2 },
};

static struct kvm_cpuid_entry2 hv_entries[] = {
	{ .function = HV_CPUID_VENDOR, .eax = 0x40000082, .ebx = 1, .ecx = 2, .edx = 3 },
	{ .function = HV_CPUID_INTERFACE, .eax = HV_INTERFACE_HV1 },
	{ .function = HV_CPUID_VERSION, .eax = 0x3839 },
	{ .function = HV_CPUID_FEATURES, .eax = ~0u, .ebx = ~0u, .ecx = ~0u, .edx = ~0u },
	{ .function = HV_CPUID_ENLIGHT, .eax = ~0u, .ebx = 0xfff },
	{ .function = HV_CPUID_LIMITS, .eax = 1024 },
	{ .function = 0x40000080, .eax = 0x40000082 },
};

static const struct cpuid_table intel = { intel_entries, COUNT_OF(intel_entries) };
static const struct cpuid_table amd = { amd_entries, COUNT_OF(amd_entries) };
static const struct cpuid_table hv = { hv_entries, COUNT_OF(hv_entries) };
static const struct cpuid_table no_hv;

static struct kvm_cpuid_entry2 out_entries[CPUID_MAX_ENTRIES];
static struct cpuid_table out = { .entries = out_entries };

static void build(const struct cpuid_table *host, unsigned vcpus, unsigned index,
		  uint32_t advertised)
{
	const struct cpuid_shape shape = { .vcpus = vcpus,
					   .index = index,
					   .advertised = advertised };

	assert_true(cpuid_build(host, advertised & BIT(HYPERV) ? &hv : &no_hv, &shape, &out));
}

static const struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(&out, function, index);

	assert_non_null(e);
	return e;
}

/* The base with that signature, found as a guest does; 0 if there is none. */
static uint32_t find_interface(const char *signature)
{
	for (uint32_t base = HYPERVISOR; base <= HYPERVISOR_END; base += 0x100) {
		const struct kvm_cpuid_entry2 *e = cpuid_find(&out, base, 0);
		char text[13] = "";

		if (!e)
			continue;
		memcpy(text, &e->ebx, 4);
		memcpy(text + 4, &e->ecx, 4);
		memcpy(text + 8, &e->edx, 4);
		if (!memcmp(text, signature, 12)) {
			assert_true(e->eax > base && e->eax < base + 0x100);
			return base;
		}
	}
	return 0;
}

static bool has_hyperv(void)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(&out, HV_CPUID_INTERFACE, 0);

	return e && e->eax == HV_INTERFACE_HV1;
}

/* Every set of interfaces: each is there exactly if it is advertised. M-CPUID-5. */
static void what_is_not_advertised_is_absent(void **state)
{
	static const uint32_t all[] = { BIT(HYPERV), BIT(HYPERFLUSH), BIT(XEN), BIT(KVM) };

	(void)state;
	for (unsigned set = 0; set < 1u << COUNT_OF(all); set++) {
		uint32_t advertised = 0;

		for (unsigned i = 0; i < COUNT_OF(all); i++)
			advertised |= set & 1u << i ? all[i] : 0;
		build(set & 1 ? &intel : &amd, 4, 0, advertised);
		assert_int_equal(has_hyperv(), !!(advertised & BIT(HYPERV)));
		assert_int_equal(!!find_interface(HF_SIGNATURE), !!(advertised & BIT(HYPERFLUSH)));
		assert_int_equal(!!find_interface(XEN_SIGNATURE), !!(advertised & BIT(XEN)));
		assert_int_equal(!!find_interface(KVM_PV_SIGNATURE), !!(advertised & BIT(KVM)));
		/* The host's own leaves never show, and the first base always answers. */
		assert_non_null(cpuid_find(&out, HYPERVISOR, 0));
		for (unsigned i = 0; i < out.count; i++)
			if (out_entries[i].function == HYPERVISOR + 1)
				assert_true(out_entries[i].eax != UINT32_MAX);
	}
}

static void nothing_advertised(void **state)
{
	(void)state;
	build(&intel, 4, 0, 0);
	const struct kvm_cpuid_entry2 *e = leaf(HYPERVISOR, 0);

	assert_int_equal(e->eax, HYPERVISOR);
	assert_int_equal(e->ebx | e->ecx | e->edx, 0);
	assert_true(leaf(1, 0)->ecx & 1u << 31); /* still a hypervisor */
}

static void controls_and_ipi_need_no_leaf(void **state)
{
	(void)state;
	build(&intel, 4, 0, BIT(NONE) | BIT(KICK) | BIT(IPI));
	assert_int_equal(leaf(HYPERVISOR, 0)->eax, HYPERVISOR);
}

/* M-CPUID-1, M-CPUID-2, M-CPUID-3, M-CPUID-4 */
static void hyperflush_leaves(void **state)
{
	(void)state;
	build(&intel, 4, 0, BIT(HYPERFLUSH));
	uint32_t base = find_interface(HF_SIGNATURE);

	assert_int_equal(leaf(base, 0)->eax, base + HF_CPUID_MAX);
	const struct kvm_cpuid_entry2 *f = leaf(base + HF_CPUID_FEATURES, 0);

	assert_int_equal(f->eax, HF_VERSION);
	assert_int_equal(f->ebx, HF_FEATURE_FLUSH | HF_FEATURE_FENCE | HF_FEATURE_DETACH |
					 HF_FEATURE_STATE | HF_FEATURE_RING);
	assert_int_equal(f->ecx, HF_MSR_HYPERCALL_PAGE);
	const struct kvm_cpuid_entry2 *limits = leaf(base + HF_CPUID_LIMITS, 0);

	assert_int_equal(limits->eax, HF_MAX_VCPUS);
	assert_int_equal(limits->ebx, HF_MAX_RANGES);
	assert_int_equal(limits->ecx, HF_MAX_REQUEST_BYTES);
	assert_int_equal(limits->edx, DOORBELL_PORT);
}

static void lowering_is_said_only_when_offered(void **state)
{
	(void)state;
	build(&amd, 4, 0, BIT(HYPERFLUSH) | BIT(HYPERV));
	uint32_t base = find_interface(HF_SIGNATURE);

	assert_false(leaf(base + HF_CPUID_FEATURES, 0)->ebx & HF_FEATURE_LOWER_HYPERV);
	build(&amd, 4, 0, BIT(HYPERFLUSH) | BIT(HYPERV) | BIT(LOWERED));
	base = find_interface(HF_SIGNATURE);
	assert_int_equal(leaf(base + HF_CPUID_FEATURES, 0)->ebx,
			 HF_FEATURE_FLUSH | HF_FEATURE_FENCE | HF_FEATURE_DETACH |
				 HF_FEATURE_STATE | HF_FEATURE_RING | HF_FEATURE_LOWER_HYPERV);
}

static void hyperv_leaves(void **state)
{
	(void)state;
	build(&intel, 4, 0, BIT(HYPERV));
	/* Bits that remote flushes do not need are masked out. */
	assert_int_equal(leaf(HV_CPUID_FEATURES, 0)->eax,
			 HV_FEATURE_A_HYPERCALL_MSRS | HV_FEATURE_A_VP_INDEX);
	assert_int_equal(leaf(HV_CPUID_FEATURES, 0)->ebx, 0);
	assert_int_equal(leaf(HV_CPUID_FEATURES, 0)->edx,
			 HV_FEATURE_D_XMM_INPUT | HV_FEATURE_D_EXT_RANGES);
	assert_int_equal(leaf(HV_CPUID_ENLIGHT, 0)->eax,
			 HV_ENLIGHT_A_REMOTE_FLUSH | HV_ENLIGHT_A_EX_MASKS);
	assert_true(leaf(HV_CPUID_VENDOR, 0)->eax >= HV_CPUID_LIMITS);
	assert_null(cpuid_find(&out, 0x40000080, 0));
}

static void xen_and_kvm_leaves(void **state)
{
	(void)state;
	build(&intel, 4, 0, BIT(XEN));
	uint32_t base = find_interface(XEN_SIGNATURE);

	assert_int_equal(leaf(base, 0)->eax, base + XEN_CPUID_PAGES);
	assert_int_equal(leaf(base + XEN_CPUID_VERSION, 0)->eax >> 16, 4);
	assert_int_equal(leaf(base + XEN_CPUID_PAGES, 0)->eax, 1);
	assert_int_equal(leaf(base + XEN_CPUID_PAGES, 0)->ebx, XEN_HYPERCALL_MSR);
	build(&intel, 4, 0, BIT(KVM));
	base = find_interface(KVM_PV_SIGNATURE);
	assert_int_equal(leaf(base + KVM_PV_CPUID_FEATURES, 0)->eax,
			 KVM_PV_FEATURE_STEAL | KVM_PV_FEATURE_TLB_FLUSH | KVM_PV_FEATURE_YIELD);
	build(&intel, 4, 0,
	      BIT(KVM) | BIT(XEN)); /* a call for KVM would be taken for one of Xen's */
	base = find_interface(KVM_PV_SIGNATURE);
	assert_int_equal(leaf(base + KVM_PV_CPUID_FEATURES, 0)->eax,
			 KVM_PV_FEATURE_STEAL | KVM_PV_FEATURE_TLB_FLUSH);
}

static void topology(void **state)
{
	static const struct {
		unsigned vcpus, index, bits;
	} cases[] = {
		{ 1, 0, 0 },   { 2, 1, 1 },	{ 3, 2, 2 },	 { 4, 3, 2 },	  { 64, 63, 6 },
		{ 65, 64, 7 }, { 255, 254, 8 }, { 256, 255, 8 }, { 257, 256, 9 }, { 512, 511, 9 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(cpuid_id_bits(cases[i].vcpus), cases[i].bits);
		build(&intel, cases[i].vcpus, cases[i].index, 0);
		for (uint32_t function = 0xb; function <= 0x1f; function += 0x1f - 0xb) {
			const struct kvm_cpuid_entry2 *smt = leaf(function, 0);
			const struct kvm_cpuid_entry2 *core = leaf(function, 1);

			assert_int_equal(smt->eax, 0); /* one thread a core */
			assert_int_equal(smt->ebx, 1);
			assert_int_equal(smt->ecx, 0x100);
			assert_int_equal(core->eax, cases[i].bits);
			assert_int_equal(core->ebx, cases[i].vcpus);
			assert_int_equal(core->ecx, 0x201);
			assert_int_equal(leaf(function, 2)->ecx & 0xff00, 0);
			for (uint32_t level = 0; level < 3; level++)
				assert_int_equal(leaf(function, level)->edx, cases[i].index);
		}
	}
}

static void leaf_1(void **state)
{
	(void)state;
	build(&intel, 300, 299, 0);
	const struct kvm_cpuid_entry2 *e = leaf(1, 0);

	assert_int_equal(e->eax, 0x606a6);
	assert_int_equal(e->ebx >> 24, 299 & 0xff);
	assert_int_equal(e->ebx >> 16 & 0xff, 255);
	assert_int_equal(e->ebx & 0xffff, 0x0800);
	assert_true(e->ecx & 1u << 21);	 /* x2APIC */
	assert_true(e->ecx & 1u << 31);	 /* hypervisor */
	assert_false(e->ecx & 1u << 3);	 /* MONITOR */
	assert_false(e->ecx & 1u << 24); /* TSC deadline: not said to be there */
	assert_true(e->edx & 1u << 28);	 /* HTT */
	assert_true(e->edx & 1u << 25);
	build(&intel, 1, 0, 0);
	assert_false(leaf(1, 0)->edx & 1u << 28);
}

static void tsc_deadline(void **state)
{
	const struct cpuid_shape shape = { .vcpus = 1, .tsc_deadline = true };

	(void)state;
	assert_true(cpuid_build(&amd, &no_hv, &shape, &out));
	assert_true(leaf(1, 0)->ecx & 1u << 24);
}

static void tsc_frequency(void **state)
{
	const struct cpuid_shape shape = { .vcpus = 1, .tsc_khz = 2999999 };

	(void)state;
	assert_true(cpuid_build(&amd, &no_hv, &shape, &out));
	const struct kvm_cpuid_entry2 *e = leaf(0x15, 0);

	assert_true(leaf(0, 0)->eax >= 0x15);
	assert_true((uint64_t)e->ecx * e->ebx / e->eax == 2999999000ull);
	build(&amd, 1, 0, 0);
	assert_null(cpuid_find(&out, 0x15, 0));
}

static void caches_and_cores(void **state)
{
	(void)state;
	build(&intel, 4, 0, 0);
	assert_int_equal(leaf(4, 0)->eax, 3u << 26 | 0x121); /* L1 private */
	assert_int_equal(leaf(4, 1)->eax, 3u << 26 | 0x143);
	assert_int_equal(leaf(4, 2)->eax, 3u << 26 | 3u << 14 | 0x163); /* L3 shared */
	assert_int_equal(leaf(4, 3)->eax, 0);
	build(&intel, 512, 0, 0);
	assert_int_equal(leaf(4, 2)->eax >> 26, 63);
	assert_int_equal(leaf(4, 2)->eax >> 14 & 0xfff, 511);
	assert_int_equal(leaf(5, 0)->eax | leaf(5, 0)->ecx | leaf(5, 0)->edx, 0);
}

static void amd_topology(void **state)
{
	(void)state;
	build(&amd, 6, 5, 0);
	assert_true(leaf(0, 0)->eax >= 0xb);
	assert_int_equal(leaf(0x80000008, 0)->ecx, 0x00030000 | 3u << 12 | 5);
	assert_int_equal(leaf(0x80000008, 0)->eax, 0x3030);
	assert_int_equal(leaf(0x8000001e, 0)->eax, 5);
	assert_int_equal(leaf(0x8000001e, 0)->ebx, 5);
	assert_int_equal(leaf(0x8000001e, 0)->ecx, 0);
	assert_null(cpuid_find(&out, 0x80000026, 0));
	assert_null(cpuid_find(&out, 0x1f, 0)); /* its highest leaf is below */
}

static void the_rest_is_the_hosts(void **state)
{
	(void)state;
	build(&intel, 4, 2, BIT(HYPERFLUSH));
	assert_int_equal(leaf(0, 0)->ebx, 0x756e6547);
	assert_int_equal(leaf(7, 0)->ebx, 0x1234);
	assert_int_equal(leaf(0x80000001, 0)->edx, 1u << 29);
}

/* PCIDs and INVPCID: where KVM has them, and nowhere else. */
static void pcids(void **state)
{
	struct kvm_cpuid_entry2 entries[] = {
		{ .function = 0, .eax = 7 },
		{ .function = 1, .ecx = 1u << 17 },
		{ .function = 7, .index = 0, .flags = INDEXED, .ebx = 1u << 10 },
	};
	const struct cpuid_table host = { entries, COUNT_OF(entries) };

	(void)state;
	build(&host, 4, 1, BIT(HYPERFLUSH));
	assert_true(leaf(1, 0)->ecx & 1u << 17);
	assert_true(leaf(7, 0)->ebx & 1u << 10);
	entries[1].ecx = entries[2].ebx = 0;
	build(&host, 4, 1, BIT(HYPERFLUSH));
	assert_false(leaf(1, 0)->ecx & 1u << 17);
	assert_false(leaf(7, 0)->ebx & 1u << 10);
}

static void no_leaf_twice(void **state)
{
	(void)state;
	build(&intel, 4, 2, BIT(HYPERV) | BIT(HYPERFLUSH) | BIT(XEN) | BIT(KVM));
	for (unsigned i = 0; i < out.count; i++)
		assert_ptr_equal(cpuid_find(&out, out_entries[i].function, out_entries[i].index),
				 &out_entries[i]);
}

static void phys_bits(void **state)
{
	(void)state;
	assert_int_equal(cpuid_phys_bits(&amd), 48);
	assert_int_equal(cpuid_phys_bits(&intel), 36); /* does not say */
	build(&amd, 4, 2, 0);
	assert_int_equal(cpuid_phys_bits(&out), 48);
}

static void find(void **state)
{
	(void)state;
	assert_ptr_equal(cpuid_find(&intel, 1, 99), &intel_entries[1]);
	assert_ptr_equal(cpuid_find(&intel, 4, 2), &intel_entries[4]);
	assert_null(cpuid_find(&intel, 4, 4));
	assert_null(cpuid_find(&intel, 2, 0));
	assert_null(cpuid_find(&no_hv, 0, 0));
}

/* A host table that leaves no room, and one that leaves just enough. */
static void room(void **state)
{
	static struct kvm_cpuid_entry2 many[CPUID_MAX_ENTRIES];
	struct cpuid_table host = { many, CPUID_MAX_ENTRIES };
	const struct cpuid_shape shape = { .vcpus = 1 };

	(void)state;
	for (unsigned i = 0; i < CPUID_MAX_ENTRIES; i++)
		many[i] = (struct kvm_cpuid_entry2){ .function = 0x20 + i };
	assert_false(cpuid_build(&host, &no_hv, &shape, &out));
	assert_true(out.count <= CPUID_MAX_ENTRIES);
	host.count = CPUID_MAX_ENTRIES - 4; /* three levels of topology, one hypervisor leaf */
	assert_true(cpuid_build(&host, &no_hv, &shape, &out));
	assert_int_equal(out.count, CPUID_MAX_ENTRIES);
	host.count++;
	assert_false(cpuid_build(&host, &no_hv, &shape, &out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_advertised_is_absent),
		cmocka_unit_test(nothing_advertised),
		cmocka_unit_test(controls_and_ipi_need_no_leaf),
		cmocka_unit_test(hyperflush_leaves),
		cmocka_unit_test(lowering_is_said_only_when_offered),
		cmocka_unit_test(hyperv_leaves),
		cmocka_unit_test(xen_and_kvm_leaves),
		cmocka_unit_test(topology),
		cmocka_unit_test(leaf_1),
		cmocka_unit_test(tsc_deadline),
		cmocka_unit_test(tsc_frequency),
		cmocka_unit_test(caches_and_cores),
		cmocka_unit_test(amd_topology),
		cmocka_unit_test(the_rest_is_the_hosts),
		cmocka_unit_test(pcids),
		cmocka_unit_test(no_leaf_twice),
		cmocka_unit_test(phys_bits),
		cmocka_unit_test(find),
		cmocka_unit_test(room),
	};

	return cmocka_run_group_tests_name("cpuid", tests, NULL, NULL);
}
