/* SPDX-License-Identifier: BSD-2-Clause */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "backend.h"
#include "machine.h"
#include "shared/hyperv_abi.h"

/* Kernels from `from` (inclusive) to `to` (exclusive); a vendor or paging mode narrows it down. */
struct caveat {
	const char *from, *to;	/* "" : open */
	enum kvm_vendor vendor; /* KVM_VENDOR_UNKNOWN: any */
	bool only_shadow_paging;
	const char *backends, *text;
};

/*
 * By version number, of Linux' stable series: a distribution may have
 * backported a fix, or not. Each is told with the change that fixes it.
 */
static const struct caveat caveats[] = {
	{ "4.16", "5.4.19", KVM_VENDOR_UNKNOWN, false, "kvm",
	  "CVE-2019-3016: the host may clear the flush bit of a preempted vCPU without flushing "
	  "(fixed in 5.4.19 and 5.6)" },
	{ "5.5", "5.6", KVM_VENDOR_UNKNOWN, false, "kvm",
	  "CVE-2019-3016: the host may clear the flush bit of a preempted vCPU without flushing "
	  "(fixed in 5.4.19 and 5.6)" },
	{ "4.16", "5.19", KVM_VENDOR_UNKNOWN, false, "kvm",
	  "CVE-2022-39189: a vCPU preempted inside KVM's emulator may go on with an old "
	  "translation "
	  "(6cd88243c7e0, in 5.19 and stable backports)" },
	{ "", "5.15.8", KVM_VENDOR_UNKNOWN, false, "hyperv lowered",
	  "a flush may return before its targets have left the guest (1ebfaa11ebb5, in 5.15.8; not "
	  "all kernels before have the bug)" },
	{ "6.2", "", KVM_VENDOR_UNKNOWN, true, "hyperv lowered",
	  "without nested paging a flush to several targets leaves some of them stale "
	  "(seen on 6.12.95 and 7.2.13)" },
	{ "6.2", "6.12.41", KVM_VENDOR_INTEL, false, "hyperv lowered",
	  "CVE-2025-38351: a non-canonical address in a flush list reaches INVVPID "
	  "(fa787ac07b3c)" },
	{ "6.2", "7.2", KVM_VENDOR_AMD, false, "hyperv lowered",
	  "flush lists use INVLPGA, which has errata on Genoa and Turin (7.2 flushes the whole "
	  "ASID "
	  "instead)" },
	{ "", "6.12.117", KVM_VENDOR_AMD, false, "all",
	  "CVE-2026-98715: a pending flush is dropped when a VMRUN fails (60d93c27859f)" },
	{ "6.13", "7.2.10", KVM_VENDOR_AMD, false, "all",
	  "CVE-2026-98715: a pending flush is dropped when a VMRUN fails (60d93c27859f)" },
	{ "", "6.7", KVM_VENDOR_UNKNOWN, false, "hyperflush xen",
	  "KVM_SET_SREGS flushes as a consequence of loading the root anew; asked for explicitly "
	  "since 4346db6e6e7a (6.7)" },
};

int doctor_compare_release(const char *a, const char *b)
{
	for (int part = 0; part < 3; part++) {
		char *a_end, *b_end;
		unsigned long x = strtoul(a, &a_end, 10), y = strtoul(b, &b_end, 10);

		if (x != y)
			return x < y ? -1 : 1;
		a = *a_end == '.' ? a_end + 1 : "";
		b = *b_end == '.' ? b_end + 1 : "";
	}
	return 0;
}

static bool applies(const struct caveat *c, const char *version, const struct kvm *k)
{
	if (*c->from && doctor_compare_release(version, c->from) < 0)
		return false;
	if (*c->to && doctor_compare_release(version, c->to) >= 0)
		return false;
	if (c->vendor != KVM_VENDOR_UNKNOWN && c->vendor != k->vendor)
		return false;
	return !c->only_shadow_paging || !k->nested_paging;
}

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
	bool any = false;

	for (size_t i = 0; i < sizeof(caveats) / sizeof(caveats[0]); i++) {
		if (!applies(&caveats[i], version, k))
			continue;
		if (!any)
			puts("caveats (by version number; a distribution may have backported the "
			     "fix)");
		any = true;
		printf("  %s: %s\n", caveats[i].backends, caveats[i].text);
	}
}

/*
 * The stable version. Debian's release ("6.1.0-56-cloud-amd64") names an ABI;
 * the version stands behind "Debian" in uname -v.
 */
static const char *stable_version(const struct utsname *uts)
{
	static const char mark[] = "Debian ";
	const char *debian = strstr(uts->version, mark);

	return debian ? debian + strlen(mark) : uts->release;
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
	show_caveats(&k, stable_version(&uts));
	kvm_close(&k);
	return RUN_PASSED;
}
