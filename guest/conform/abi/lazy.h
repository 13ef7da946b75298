/* SPDX-License-Identifier: BSD-2-Clause */
/* Lazy CPUs of the hyperflush ABI, and who moves them (docs/abi.md, "detach"). */
#ifndef GUEST_CONFORM_ABI_LAZY_H
#define GUEST_CONFORM_ABI_LAZY_H

#include "guest/conform/abi/hyperflush.h"

#define LAZY_OTHER   3u /* the CPU, no target, whose root targets are moved to */
#define LAZY_NO_WORD UINT64_MAX

/* The words: not the guest's own (mm/mm_cpu.h), which the host does not know here. */
u64 lazy_word(u32 cpu);
u64 *lazy_word_here(void);

/* NULL, or why there is no `detach`. */
const char *lazy_lacking(void);

/* What a probe's job lazy_set() makes of its CPU: CR3 and the word. Its MSR. */
struct laziness {
	paddr_t root; /* in CR3 */
	u64 word;     /* LAZY_NO_WORD: there is none */
};
u64 lazy_set(void *arg);

/* A request with one bank, empty. */
struct detach_1 {
	struct hf_detach head;
	u64 bank;
};
struct detach_1 detach_1(paddr_t from, paddr_t to, u32 deadline_us);

/* In its bank. */
u64 lazy_bit_of(u32 cpu);

/* Who is asked to move, and whether it must. */
struct who {
	u32 cpu; /* 0: nobody more */
	u8 state;
	bool elsewhere; /* its word names another root */
	bool no_word;
	bool moves;
};

struct move_row {
	struct who who[3];
	u64 empty_banks;
	bool self; /* CPU 0 is asked too, is lazy, and stays */
};

/*
 * They, and LAZY_OTHER, are probes, and each is on CPU 1's root, with its word as it says. False:
 * *f is a skip.
 */
bool lazy_set_up(struct conform *c, const struct move_row *row, struct cpumask *cpus,
		 struct finding *f);

/* Probes are on their own roots again, and have no words. */
void lazy_end(struct conform *c, const struct cpumask *cpus);

/* M-DETACH-1, M-DETACH-2: word, root and, after probes_look(), what it reads. False: *f says what.
 */
bool lazy_is_right(struct conform *c, const struct who *w, struct finding *f);

#endif
