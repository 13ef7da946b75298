/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/backend.c: names, and what is said to be lacking on hosts that lack it. */
#include "unit.h"

#include <string.h>

#include "fake_kvm.h"
#include "shared/hyperv_abi.h"
#include "shared/kvm_abi.h"
#include "vmm/backend.h"

#define BIT(backend) (1u << HF_BACKEND_##backend)

static struct kvm_cpuid_entry2 kvm_leaf, hv_leaves[2];
static struct kvm host;

/* A host that has everything. */
static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FAKE_KVM_CAPS; i++)
		fake_kvm.caps[i] = UINT32_MAX;
	kvm_leaf = (struct kvm_cpuid_entry2){ .function = 0x40000001, .eax = UINT32_MAX };
	hv_leaves[0] =
		(struct kvm_cpuid_entry2){ .function = HV_CPUID_FEATURES, .eax = UINT32_MAX };
	hv_leaves[1] = (struct kvm_cpuid_entry2){ .function = HV_CPUID_ENLIGHT, .eax = UINT32_MAX };
	host = (struct kvm){ .nested_paging = true,
			     .membarrier = true,
			     .host = { &kvm_leaf, 1 },
			     .hv = { hv_leaves, 2 } };
	return 0;
}

static void names(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= HF_BACKEND_COUNT; i++) {
		assert_int_equal(backend_by_name(backend_name(i)), i);
		assert_true(strlen(backend_what(i)) > 0);
	}
	assert_string_equal(backend_name(HF_BACKEND_HYPERFLUSH), "hyperflush");
	assert_string_equal(backend_name(HF_BACKEND_COUNT), "auto");
	assert_s64(backend_by_name(""), -1);
	assert_s64(backend_by_name("ip"), -1);
	assert_s64(backend_by_name("ipi "), -1);
}

static void nothing_lacks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HF_BACKEND_COUNT; i++)
		assert_null(backend_lacking(&host, backend_interfaces(i), 512));
}

static void every_guest_needs(void **state)
{
	static const unsigned caps[] = { KVM_CAP_USER_MEMORY, KVM_CAP_IRQCHIP, KVM_CAP_X2APIC_API,
					 KVM_CAP_SYNC_REGS };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(caps); i++) {
		fake_kvm.caps[caps[i]] = 0;
		for (unsigned b = 0; b < HF_BACKEND_COUNT; b++)
			assert_non_null(backend_lacking(&host, backend_interfaces(b), 1));
		assert_int_equal(backend_auto_interfaces(&host, 1), 0);
		setup(NULL);
	}
	fake_kvm.caps[KVM_CAP_SYNC_REGS] = KVM_SYNC_X86_REGS;
	assert_non_null(backend_lacking(&host, 0, 1));
	setup(NULL);
	host.membarrier = false;
	assert_non_null(backend_lacking(&host, 0, 1));
}

/* One thing missing makes exactly these backends unusable. */
static void expect_lacking(uint32_t backends, unsigned vcpus)
{
	for (unsigned b = 0; b < HF_BACKEND_COUNT; b++)
		assert_int_equal(!!backend_lacking(&host, backend_interfaces(b), vcpus),
				 !!(backends & 1u << b));
}

static void one_interface_needs(void **state)
{
	(void)state;
	fake_kvm.caps[KVM_CAP_XEN_HVM] = KVM_XEN_HVM_CONFIG_HYPERCALL_MSR;
	expect_lacking(BIT(XEN), 4);
	setup(NULL);
	fake_kvm.caps[KVM_CAP_HYPERV_TLBFLUSH] = 0;
	expect_lacking(BIT(HYPERV) | BIT(LOWERED), 4);
	setup(NULL);
	fake_kvm.caps[KVM_CAP_X86_MSR_FILTER] = 0;
	expect_lacking(BIT(HYPERFLUSH) | BIT(LOWERED) | BIT(ELIDED), 4);
	setup(NULL);
	kvm_leaf.eax = KVM_PV_FEATURE_STEAL;
	expect_lacking(BIT(KVM) | BIT(ELIDED), 4);
	setup(NULL);
	host.host.count = 0;
	expect_lacking(BIT(KVM) | BIT(ELIDED), 4);
	setup(NULL);
	host.hv.count = 0;
	expect_lacking(BIT(HYPERV) | BIT(LOWERED), 4);
	setup(NULL);
	hv_leaves[1].eax = HV_ENLIGHT_A_REMOTE_FLUSH;
	expect_lacking(0, 64);
	expect_lacking(BIT(HYPERV) | BIT(LOWERED), 65);
}

static void auto_offers(void **state)
{
	(void)state;
	assert_int_equal(backend_auto_interfaces(&host, 4),
			 BIT(HYPERV) | BIT(HYPERFLUSH) | BIT(KVM) | BIT(LOWERED));
	assert_int_equal(backend_preferred(backend_auto_interfaces(&host, 4)), HF_BACKEND_HYPERV);
	host.nested_paging = false;
	assert_int_equal(backend_auto_interfaces(&host, 4), BIT(HYPERFLUSH) | BIT(KVM));
	assert_int_equal(backend_preferred(BIT(HYPERFLUSH) | BIT(KVM)), HF_BACKEND_HYPERFLUSH);
	fake_kvm.caps[KVM_CAP_X86_USER_SPACE_MSR] = 0;
	assert_int_equal(backend_auto_interfaces(&host, 4), BIT(KVM));
	assert_int_equal(backend_preferred(BIT(KVM)), HF_BACKEND_KVM);
	assert_int_equal(backend_preferred(0), HF_BACKEND_IPI);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names),
		TEST(nothing_lacks),
		TEST(every_guest_needs),
		TEST(one_interface_needs),
		TEST(auto_offers),
	};

	return cmocka_run_group_tests_name("backend", tests, NULL, NULL);
}
