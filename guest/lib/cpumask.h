/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of CPUs: fixed bitmaps over CPU numbers 0 to GUEST_MAX_CPUS-1. */
#ifndef GUEST_LIB_CPUMASK_H
#define GUEST_LIB_CPUMASK_H

#include "guest/lib/types.h"

#define GUEST_MAX_CPUS 512
#define CPUMASK_WORDS  (GUEST_MAX_CPUS / 64)

struct cpumask {
	u64 word[CPUMASK_WORDS];
};

/* Plain forms: the caller owns the mask. `cpu` must be below GUEST_MAX_CPUS. */
static inline void cpumask_clear_all(struct cpumask *m)
{
	*m = (struct cpumask){ 0 };
}

static inline void cpumask_set(struct cpumask *m, u32 cpu)
{
	m->word[cpu / 64] |= 1ull << cpu % 64;
}

static inline void cpumask_clear(struct cpumask *m, u32 cpu)
{
	m->word[cpu / 64] &= ~(1ull << cpu % 64);
}

static inline bool cpumask_test(const struct cpumask *m, u32 cpu)
{
	return __atomic_load_n(&m->word[cpu / 64], __ATOMIC_RELAXED) >> cpu % 64 & 1;
}

/* Atomic forms, full barriers (locked instructions). The test_ forms return the old bit. */
static inline bool cpumask_test_set_atomic(struct cpumask *m, u32 cpu)
{
	u64 bit = 1ull << cpu % 64;

	return __atomic_fetch_or(&m->word[cpu / 64], bit, __ATOMIC_SEQ_CST) & bit;
}

static inline bool cpumask_test_clear_atomic(struct cpumask *m, u32 cpu)
{
	u64 bit = 1ull << cpu % 64;

	return __atomic_fetch_and(&m->word[cpu / 64], ~bit, __ATOMIC_SEQ_CST) & bit;
}

static inline void cpumask_set_atomic(struct cpumask *m, u32 cpu)
{
	__atomic_or_fetch(&m->word[cpu / 64], 1ull << cpu % 64, __ATOMIC_SEQ_CST);
}

static inline void cpumask_clear_atomic(struct cpumask *m, u32 cpu)
{
	__atomic_and_fetch(&m->word[cpu / 64], ~(1ull << cpu % 64), __ATOMIC_SEQ_CST);
}

/* Reads each word once, relaxed: a snapshot a word, not of the whole mask. */
static inline void cpumask_copy(struct cpumask *dst, const struct cpumask *src)
{
	for (u32 i = 0; i < CPUMASK_WORDS; i++)
		dst->word[i] = __atomic_load_n(&src->word[i], __ATOMIC_RELAXED);
}

static inline void cpumask_and(struct cpumask *dst, const struct cpumask *a,
			       const struct cpumask *b)
{
	for (u32 i = 0; i < CPUMASK_WORDS; i++)
		dst->word[i] = a->word[i] & b->word[i];
}

static inline void cpumask_or(struct cpumask *dst, const struct cpumask *a, const struct cpumask *b)
{
	for (u32 i = 0; i < CPUMASK_WORDS; i++)
		dst->word[i] = a->word[i] | b->word[i];
}

static inline bool cpumask_equal(const struct cpumask *a, const struct cpumask *b)
{
	u64 diff = 0;

	for (u32 i = 0; i < CPUMASK_WORDS; i++)
		diff |= a->word[i] ^ b->word[i];
	return diff == 0;
}

static inline bool cpumask_empty(const struct cpumask *m)
{
	return cpumask_equal(m, &(struct cpumask){ 0 });
}

/* The first CPU at or after `from` in the mask; GUEST_MAX_CPUS if there is none. */
static inline u32 cpumask_next(const struct cpumask *m, u32 from)
{
	while (from < GUEST_MAX_CPUS) {
		u64 rest = __atomic_load_n(&m->word[from / 64], __ATOMIC_RELAXED) >> from % 64;

		if (rest)
			return from + (u32)__builtin_ctzll(rest);
		from = ALIGN_UP(from + 1, 64);
	}
	return GUEST_MAX_CPUS;
}

#define for_each_cpu(cpu, mask)                                       \
	for (u32 cpu = cpumask_next((mask), 0); cpu < GUEST_MAX_CPUS; \
	     cpu = cpumask_next((mask), cpu + 1))

static inline u32 cpumask_weight(const struct cpumask *m)
{
	u32 n = 0;

	for_each_cpu (cpu, m)
		n++;
	return n;
}

#endif
