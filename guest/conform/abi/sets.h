/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of CPUs that calls are made for, by name; the same for every ABI. */
#ifndef GUEST_CONFORM_ABI_SETS_H
#define GUEST_CONFORM_ABI_SETS_H

#include "guest/conform/abi/check.h"

enum target_set {
	SET_NONE,
	SET_ONE, /* CPU 1 */
	SET_TWO, /* 1, 2 */
	SET_SELF,
	SET_SELF_AND_ONE,
	SET_63, /* the last of the first bank */
	SET_64,
	SET_65,
	SET_63_64,
	SET_63_64_65,
	SET_1_64, /* one of each bank */
	SET_OTHERS,
	SET_ALL,
};

/*
 * The CPUs of a set, and up to three of them to be probes. False: there are not so many CPUs,
 * and *f is a skip.
 */
bool set_cpus(enum target_set set, struct cpumask *cpus, struct cpumask *probes, struct finding *f);

#endif
