/* SPDX-License-Identifier: BSD-2-Clause */
#include "histogram.h"

unsigned histogram_bucket(uint64_t value)
{
	unsigned bits = value ? 64u - (unsigned)__builtin_clzll(value) : 0;

	return bits < HISTOGRAM_BUCKETS ? bits : HISTOGRAM_BUCKETS - 1;
}

uint64_t histogram_bound(unsigned bucket)
{
	return bucket < HISTOGRAM_BUCKETS - 1 ? (1ull << bucket) - 1 : UINT64_MAX;
}

static uint64_t get(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

/* Nobody else writes, so no locked instruction is needed. */
static void set(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

void histogram_add(struct histogram *h, uint64_t value)
{
	_Atomic uint64_t *bucket = &h->bucket[histogram_bucket(value)];

	set(bucket, get(bucket) + 1);
	set(&h->sum, get(&h->sum) + value);
	if (value > get(&h->max))
		set(&h->max, value);
}

void histogram_read(const struct histogram *h, struct histogram_view *view)
{
	uint64_t max = get(&h->max);

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t n = get(&h->bucket[i]);

		view->bucket[i] += n;
		view->count += n;
	}
	view->sum += get(&h->sum);
	if (max > view->max)
		view->max = max;
}

uint64_t histogram_quantile(const struct histogram_view *view, unsigned permille)
{
	/* Not count * permille: that may overflow. */
	uint64_t whole = view->count / 1000, rest = view->count % 1000;
	uint64_t rank = whole * permille + (rest * permille + 999) / 1000, seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && view->count; i++) {
		uint64_t bound = histogram_bound(i);

		seen += view->bucket[i];
		if (seen >= rank)
			return bound < view->max ? bound : view->max;
	}
	return 0;
}
