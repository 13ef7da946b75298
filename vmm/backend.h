/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush backends as the host sees them: which guest interfaces each
 * offers, and what this host's KVM must have for an interface.
 */
#ifndef HF_VMM_BACKEND_H
#define HF_VMM_BACKEND_H

#include <stdint.h>

#include "kvm.h"
#include "shared/backends.h"

/* The name of a backend, or "auto" for HF_BACKEND_COUNT. */
const char *backend_name(unsigned backend);

/* One sentence on a backend. */
const char *backend_what(unsigned backend);

/* enum hf_backend or HF_BACKEND_COUNT ("auto") for a name; -1 if there is none. */
int backend_by_name(const char *name);

/* Interfaces the guest needs for a backend, as machine.advertised; not for "auto". */
uint32_t backend_interfaces(enum hf_backend backend);

/*
 * What this host lacks for a guest with these interfaces and that many vCPUs:
 * the first reason, or NULL. With interfaces 0: for any guest at all.
 */
const char *backend_lacking(const struct kvm *k, uint32_t interfaces, unsigned vcpus);

/*
 * What "auto" offers here. Not Xen, whose MSR switches KVM's steal time off;
 * not Hyper-V without nested paging, where KVM loses flushes.
 */
uint32_t backend_auto_interfaces(const struct kvm *k, unsigned vcpus);

/* The backend a guest takes of these interfaces when its command line says "auto". */
enum hf_backend backend_preferred(uint32_t interfaces);

#endif
