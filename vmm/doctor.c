/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "backend.h"
#include "caveat.h"
#include "machine.h"
#include "shared/hyperv_abi.h"

static const struct {
	long cap;
	const char *name, *what;
} shown_caps[] = {
	{ KVM_CAP_MAX_VCPUS, "KVM_CAP_MAX_VCPUS", "vCPUs a machine, at most" },
	{ KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS", "1 REGS, 2 SREGS, 4 EVENTS" },
	{ KVM_CAP_X86_USER_SPACE_MSR, "KVM_CAP_X86_USER_SPACE_MSR", "MSRs exit to the VMM" },
	{ KVM_CAP_HYPERV_TLBFLUSH, "KVM_CAP_HYPERV_TLBFLUSH", "in-kernel flush hypercalls" },
	{ KVM_CAP_HYPERV_ENFORCE_CPUID, "KVM_CAP_HYPERV_ENFORCE_CPUID", "only what is advertised" },
	{ KVM_CAP_XEN_HVM, "KVM_CAP_XEN_HVM", "2: calls exit to the VMM" },
	{ KVM_CAP_BINARY_STATS_FD, "KVM_CAP_BINARY_STATS_FD", "KVM's counters" },
};

static void show_caps(const struct kvm *k)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(&k->hv, HV_CPUID_FEATURES, 0);

	puts("capabilities");
	for (size_t i = 0; i < sizeof(shown_caps) / sizeof(shown_caps[0]); i++)
		printf("  %-30s %#-6x (%s)\n", shown_caps[i].name, kvm_cap(k, shown_caps[i].cap),
		       shown_caps[i].what);
	printf("  %-30s %s\n", "Hyper-V XMM input",
	       e && e->edx & HV_FEATURE_D_XMM_INPUT ? "yes" : "no");
	printf("  %-30s %s\n", "Hyper-V flush lists by page",
	       e && e->edx & HV_FEATURE_D_EXT_RANGES ? "yes" : "no, always everything");
}

static void show_backends(const struct kvm *k)
{
	puts("backends");
	for (unsigned b = 0; b < HF_BACKEND_COUNT; b++) {
		const char *lacking = backend_lacking(k, backend_interfaces(b), 1);

		printf("  %-11s %s%s\n", backend_name(b), lacking ? "no: this host lacks " : "yes",
		       lacking ? lacking : "");
	}
	printf("  %-11s takes %s\n", backend_name(HF_BACKEND_COUNT),
	       backend_name(backend_preferred(backend_auto_interfaces(k, 1))));
}

static void show_caveats(const struct kvm *k, const char *version)
{
	const struct caveat *c;
	size_t at = 0;

	if ((c = caveat_next(k, version, &at)))
		puts("caveats (by version number; a distribution may have backported the fix)");
	for (; c; c = caveat_next(k, version, &at)) {
		putchar(' ');
		for (unsigned b = 0; b < HF_BACKEND_COUNT && c->backends != CAVEAT_ALL; b++)
			if (c->backends & 1u << b)
				printf(" %s", backend_name(b));
		printf("%s: %s\n", c->backends == CAVEAT_ALL ? " all" : "", c->text);
	}
}

int doctor_main(void)
{
	struct utsname uts;
	struct kvm k;
	const char *what;

	uname(&uts);
	int r = kvm_open(&k, &what);
	printf("kernel         %s %s\n", uts.release, uts.version);
	printf("module         %s\n", kvm_vendor_module(k.vendor));
	const char *lacking = r ? what : backend_lacking(&k, 0, 1);
	if (lacking) {
		printf("guests         cannot run: %s%s%s\n", r ? "" : "this host lacks ", lacking,
		       r && k.vendor != KVM_VENDOR_PVM ? (strerror(-r)) : "");
		kvm_close(&k);
		return RUN_HOST_ERROR;
	}
	printf("nested paging  %s\n", k.nested_paging ? "on" : "off");
	show_caps(&k);
	show_backends(&k);
	show_caveats(&k, caveat_version(&uts));
	kvm_close(&k);
	return RUN_PASSED;
}
