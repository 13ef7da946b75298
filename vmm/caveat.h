/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Known bugs of KVM in what the backends use, told by the kernel's version
 * number: a distribution may have backported a fix, or not.
 */
#ifndef HF_VMM_CAVEAT_H
#define HF_VMM_CAVEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/utsname.h>

#include "kvm.h"
#include "shared/backends.h"

/* Kernels from `from` (inclusive) to `to` (exclusive); a vendor or paging mode narrows it down. */
struct caveat {
	const char *from, *to;	 /* "" : open */
	enum kvm_vendor vendor;	 /* KVM_VENDOR_UNKNOWN: any */
	bool only_shadow_paging; /* `auto` avoids the backends; who names them is warned */
	uint32_t backends;	 /* 1u << enum hf_backend */
	const char *text;
};

#define CAVEAT_ALL ((1u << HF_BACKEND_COUNT) - 1)

/*
 * The version in Linus' or the stable series, inside *uts. Debian's release
 * ("6.1.0-56-cloud-amd64") names an ABI; the version stands behind "Debian" in
 * uname -v.
 */
const char *caveat_version(const struct utsname *uts);

/* Compares two versions ("6.1.192-amd64") by their leading numbers: <0, 0, >0. */
int caveat_compare(const char *a, const char *b);

/* The first caveat from *at on that holds for this KVM, with *at moved behind it; NULL: no more. */
const struct caveat *caveat_next(const struct kvm *k, const char *version, size_t *at);

/*
 * What to warn a user of who names one of these backends (1u << enum hf_backend): they are known to
 * lose flushes on this KVM, and `auto` avoids them. NULL: nothing.
 */
const char *caveat_warning(const struct kvm *k, const char *version, uint32_t backends);

#endif
