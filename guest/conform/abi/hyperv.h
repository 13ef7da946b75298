/* SPDX-License-Identifier: BSD-2-Clause */
/* Hyper-V's flush calls as the checks make them (TLFS 3 and 11; shared/hyperv_abi.h). */
#ifndef GUEST_CONFORM_ABI_HYPERV_H
#define GUEST_CONFORM_ABI_HYPERV_H

#include "guest/conform/abi/sets.h"
#include "shared/hyperv_abi.h"

/* TLFS appendix B. */
#define HV_SUCCESS	     0u
#define HV_INVALID_CODE	     2u
#define HV_INVALID_INPUT     3u
#define HV_INVALID_ALIGNMENT 4u
#define HV_INVALID_PARAMETER 5u
#define HV_ACCESS_DENIED     6u
#define HV_INVALID_VP_INDEX  14u

enum hv_list {
	HV_LIST_NONE,
	HV_LIST_PAGE,  /* one entry, one page: slot 0 */
	HV_LIST_RANGE, /* one entry, 41 pages: from slot 0 to slot 2 */
	HV_LIST_TWO,   /* two entries: slots 2 and 1 */
	HV_LIST_LAST,  /* `reps` entries: pages elsewhere, and slot 0 in the last one */
	HV_LIST_LONG,  /* one entry of 4096 pages that ends with slot 0 */
};

/* A call, from what is usual and what is not. */
struct hv_row {
	u16 code;
	bool fast;
	u8 set;		 /* enum target_set */
	u8 list;	 /* enum hv_list */
	u8 reps;	 /* of HV_LIST_LAST */
	u8 place, split; /* enum place */
	u64 control;	 /* bits of the control word to be inverted */
	u64 flags, format;
	u64 empty_banks; /* banks added that name nobody */
	u64 absent_vp;	 /* VP indexes in bank 63 that there are not */
	u64 mask_or;	 /* the same in a plain call's mask */
	bool own_space;	 /* address_space is the probes' root; else 0 */
	u32 status;
	u64 known;	 /* RAX under `mask`, of an implementation that deviates */
	const char *ref; /* that says so */
};

/* NULL if Hyper-V offers remote flushes. */
const char *hv_lacking(void);

/* Guest OS id, hypercall page and VP indexes, once. */
void hv_enable(struct conform *c);

/* The attempt that a row describes. False: *f is a skip. */
bool hv_attempt(struct conform *c, const struct hv_row *row, struct attempt *a, struct finding *f);

/* The checks that rows are for. */
void hv_serves(struct conform *c, const void *row, struct finding *f);
void hv_refuses(struct conform *c, const void *row, struct finding *f);

#endif
