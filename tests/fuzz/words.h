/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included ahead of vmm/ring.c: each access to a word that it shares with the guest goes through
 * here, so that a target can write the guest's memory between any two of them, and judge each.
 */
#ifndef HF_TESTS_FUZZ_WORDS_H
#define HF_TESTS_FUZZ_WORDS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

uint64_t word_load(const void *word, size_t bytes);
void word_store(void *word, size_t bytes, uint64_t value);

/* Offsets are into guest RAM. NULL: nobody looks on. */
extern struct word_watch {
	void (*before)(void); /* an access: what others do meanwhile */
	void (*loaded)(size_t offset, size_t bytes, uint64_t value);
	void (*stored)(size_t offset, size_t bytes, uint64_t value);
} word_watch;

/* Between the two, any other access to guest RAM is one that AddressSanitizer reports. */
void words_close(void);
void words_open(void);

#ifdef HF_WATCHED_WORDS
#define WORD_OF(p)	 __typeof__(*(p) + 0)
#define WORD_LOAD(p)	 ((WORD_OF(p))word_load((const void *)(p), sizeof(*(p))))
#define WORD_STORE(p, v) word_store((void *)(p), sizeof(*(p)), (uint64_t)(v))
#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#define atomic_load(p)		       WORD_LOAD(p)
#define atomic_load_explicit(p, o)     WORD_LOAD(p)
#define atomic_store(p, v)	       WORD_STORE(p, v)
#define atomic_store_explicit(p, v, o) WORD_STORE(p, v)
/* NOLINTBEGIN(bugprone-reserved-identifier): the compilers' own names */
#define __atomic_load_n(p, o)	  WORD_LOAD(p)
#define __atomic_store_n(p, v, o) WORD_STORE(p, v)
/* NOLINTEND(bugprone-reserved-identifier) */
#endif

#endif
