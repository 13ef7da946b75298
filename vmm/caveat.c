/* SPDX-License-Identifier: BSD-2-Clause */
#include "caveat.h"

#include <stdlib.h>
#include <string.h>

#include "shared/backends.h"

#define BIT(backend) (1u << HF_BACKEND_##backend)
#define HYPERV_CALLS (BIT(HYPERV) | BIT(LOWERED))
#define STEAL_TIME   (BIT(KVM) | BIT(ELIDED))

/* Each is told with the change that fixes it. */
static const struct caveat caveats[] = {
	{ "4.16", "5.4.19", KVM_VENDOR_UNKNOWN, false, STEAL_TIME,
	  "CVE-2019-3016: the host may clear the flush bit of a preempted vCPU without flushing "
	  "(fixed in 5.4.19 and 5.6)" },
	{ "5.5", "5.6", KVM_VENDOR_UNKNOWN, false, STEAL_TIME,
	  "CVE-2019-3016: the host may clear the flush bit of a preempted vCPU without flushing "
	  "(fixed in 5.4.19 and 5.6)" },
	{ "4.16", "5.19", KVM_VENDOR_UNKNOWN, false, STEAL_TIME,
	  "CVE-2022-39189: a vCPU preempted inside KVM's emulator may go on with an old "
	  "translation "
	  "(6cd88243c7e0, in 5.19 and stable backports)" },
	{ "", "5.15.8", KVM_VENDOR_UNKNOWN, false, HYPERV_CALLS,
	  "a flush may return before its targets have left the guest (1ebfaa11ebb5, in 5.15.8; not "
	  "all kernels before have the bug)" },
	{ "6.2", "", KVM_VENDOR_UNKNOWN, true, HYPERV_CALLS,
	  "without nested paging a flush to several targets leaves some of them stale "
	  "(seen on 6.12.95 and 7.2.13)" },
	{ "6.2", "6.12.41", KVM_VENDOR_INTEL, false, HYPERV_CALLS,
	  "CVE-2025-38351: a non-canonical address in a flush list reaches INVVPID "
	  "(fa787ac07b3c)" },
	{ "6.2", "7.2", KVM_VENDOR_AMD, false, HYPERV_CALLS,
	  "flush lists use INVLPGA, which has errata on Genoa and Turin (7.2 flushes the whole "
	  "ASID "
	  "instead)" },
	{ "", "6.12.117", KVM_VENDOR_AMD, false, CAVEAT_ALL,
	  "CVE-2026-98715: a pending flush is dropped when a VMRUN fails (60d93c27859f)" },
	{ "6.13", "7.2.10", KVM_VENDOR_AMD, false, CAVEAT_ALL,
	  "CVE-2026-98715: a pending flush is dropped when a VMRUN fails (60d93c27859f)" },
	{ "", "6.7", KVM_VENDOR_UNKNOWN, false,
	  BIT(HYPERFLUSH) | BIT(LOWERED) | BIT(ELIDED) | BIT(XEN),
	  "KVM_SET_SREGS flushes as a consequence of loading the root anew; asked for explicitly "
	  "since 4346db6e6e7a (6.7)" },
};

int caveat_compare(const char *a, const char *b)
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

const char *caveat_version(const struct utsname *uts)
{
	static const char mark[] = "Debian ";
	const char *debian = strstr(uts->version, mark);

	return debian ? debian + strlen(mark) : uts->release;
}

static bool applies(const struct caveat *c, const char *version, const struct kvm *k)
{
	if (*c->from && caveat_compare(version, c->from) < 0)
		return false;
	if (*c->to && caveat_compare(version, c->to) >= 0)
		return false;
	if (c->vendor != KVM_VENDOR_UNKNOWN && c->vendor != k->vendor)
		return false;
	return !c->only_shadow_paging || !k->nested_paging;
}

const struct caveat *caveat_next(const struct kvm *k, const char *version, size_t *at)
{
	while (*at < sizeof(caveats) / sizeof(caveats[0])) {
		const struct caveat *c = &caveats[(*at)++];

		if (applies(c, version, k))
			return c;
	}
	return NULL;
}

const char *caveat_warning(const struct kvm *k, const char *version, uint32_t backends)
{
	const struct caveat *c;

	for (size_t at = 0; (c = caveat_next(k, version, &at));)
		if (c->only_shadow_paging && c->backends & backends)
			return c->text;
	return NULL;
}
