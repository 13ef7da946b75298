/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/caveat.c: versions, and which bug is told on which host. */
#include "unit.h"

#include <string.h>

#include "fake_kvm.h"
#include "vmm/backend.h"
#include "vmm/caveat.h"

#define BIT(backend) (1u << HF_BACKEND_##backend)
#define ALL	     CAVEAT_ALL

static void versions(void **state)
{
	static const char *const ascending[] = { "",	     "4.16",
						 "4.16.1",   "5.4.19",
						 "5.5",	     "6.1.176-1 (2026-06-01)",
						 "6.2-rc1",  "6.12.95",
						 "6.12.100", "7.2.13+deb14-cloud-amd64",
						 "10" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ascending); i++)
		for (size_t j = 0; j < COUNT_OF(ascending); j++) {
			int order = caveat_compare(ascending[i], ascending[j]);

			assert_int_equal((order > 0) - (order < 0) + 1, (i > j) - (i < j) + 1);
		}
	assert_int_equal(caveat_compare("6.2", "6.2.0-1-amd64"), 0);
}

static void stable_version(void **state)
{
	static const struct utsname debian = { .release = "6.12.95+deb13-cloud-amd64",
					       .version = "#1 SMP Debian 6.12.95-1 (2026-07-01)" },
				    other = { .release = "6.9.3", .version = "#2 SMP" };

	(void)state;
	assert_int_equal(caveat_compare(caveat_version(&debian), "6.12.95"), 0);
	assert_string_equal(caveat_version(&other), "6.9.3");
}

/* The text of a caveat that holds on such a host, or NULL. */
static bool told(const char *version, enum kvm_vendor vendor, bool nested_paging, const char *words)
{
	const struct kvm k = { .vendor = vendor, .nested_paging = nested_paging };
	const struct caveat *c;

	for (size_t at = 0; (c = caveat_next(&k, version, &at));)
		if (strstr(c->text, words))
			return true;
	return false;
}

static void edges(void **state)
{
	(void)state;
	assert_false(told("4.15.18", KVM_VENDOR_AMD, true, "CVE-2019-3016"));
	assert_true(told("4.16", KVM_VENDOR_AMD, true, "CVE-2019-3016"));
	assert_true(told("5.4.18", KVM_VENDOR_INTEL, true, "CVE-2019-3016"));
	assert_false(told("5.4.19", KVM_VENDOR_INTEL, true, "CVE-2019-3016"));
	assert_true(told("5.5.1", KVM_VENDOR_AMD, true, "CVE-2019-3016"));
	assert_false(told("5.6", KVM_VENDOR_AMD, true, "CVE-2019-3016"));
	assert_true(told("6.12.40", KVM_VENDOR_INTEL, true, "CVE-2025-38351"));
	assert_false(told("6.12.41", KVM_VENDOR_INTEL, true, "CVE-2025-38351"));
	assert_false(told("6.12.40", KVM_VENDOR_AMD, true, "CVE-2025-38351"));
	assert_true(told("6.2", KVM_VENDOR_AMD, false, "without nested paging"));
	assert_false(told("6.2", KVM_VENDOR_AMD, true, "without nested paging"));
}

static void warning(void **state)
{
	static const char *const lossy[] = { "6.2", "6.12.95", "7.2.13" };
	struct kvm k = { .vendor = KVM_VENDOR_AMD, .nested_paging = false };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lossy); i++) {
		assert_non_null(caveat_warning(&k, lossy[i], BIT(HYPERV)));
		assert_non_null(caveat_warning(&k, lossy[i], BIT(LOWERED)));
		assert_non_null(caveat_warning(&k, lossy[i], ALL));
		assert_null(caveat_warning(&k, lossy[i], ALL & ~(BIT(HYPERV) | BIT(LOWERED))));
		assert_null(caveat_warning(&k, lossy[i], 0));
	}
	assert_null(caveat_warning(&k, "6.1.176", ALL));
	k.nested_paging = true;
	assert_null(caveat_warning(&k, "6.12.95", ALL));
}

/* What `auto` offers is never what a user would be warned of, on a host that has everything. */
static void auto_needs_no_warning(void **state)
{
	struct kvm_cpuid_entry2 leaf[3] = { { .function = 0x40000001, .eax = UINT32_MAX },
					    { .function = 0x40000003, .eax = UINT32_MAX },
					    { .function = 0x40000004, .eax = UINT32_MAX } };
	struct kvm k = { .vendor = KVM_VENDOR_AMD,
			 .membarrier = true,
			 .host = { leaf, 1 },
			 .hv = { leaf + 1, 2 } };

	(void)state;
	for (unsigned i = 0; i < FAKE_KVM_CAPS; i++)
		fake_kvm.caps[i] = UINT32_MAX;
	for (int nested = 0; nested < 2; nested++) {
		k.nested_paging = nested;
		uint32_t offered = backend_auto_interfaces(&k, 4);

		assert_true(offered & BIT(HYPERFLUSH));
		assert_int_equal(!!(offered & BIT(LOWERED)), nested);
		assert_null(caveat_warning(&k, "6.12.95", offered));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions),
		cmocka_unit_test(stable_version),
		cmocka_unit_test(edges),
		cmocka_unit_test(warning),
		cmocka_unit_test(auto_needs_no_warning),
	};

	return cmocka_run_group_tests_name("caveat", tests, NULL, NULL);
}
