/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Histograms of times, with a bucket for each power of two. One thread adds, any thread reads
 * meanwhile: a reader may see a value's bucket and not yet its sum.
 */
#ifndef HF_VMM_HISTOGRAM_H
#define HF_VMM_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

/* Bucket 0 has the zeros, bucket i > 0 the values from 2^(i-1) to 2^i - 1, the last one also all
 * beyond: in nanoseconds, from 275 s on. */
#define HISTOGRAM_BUCKETS 40u

struct histogram {
	_Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum, max;
};

/* What was read, of one histogram or of several. */
struct histogram_view {
	uint64_t bucket[HISTOGRAM_BUCKETS];
	uint64_t count, sum, max;
};

unsigned histogram_bucket(uint64_t value);

/* The largest value of a bucket; UINT64_MAX for the last. */
uint64_t histogram_bound(unsigned bucket);

/* The thread that owns the histogram. The sum wraps after 584 years of nanoseconds. */
void histogram_add(struct histogram *h, uint64_t value);

/* Adds the histogram to the view. Any thread. */
void histogram_read(const struct histogram *h, struct histogram_view *view);

/*
 * A value that at least `permille` thousandths (1 to 1000) of all do not exceed: the largest of
 * its bucket, or the maximum if that is less. 0 if there are none.
 */
uint64_t histogram_quantile(const struct histogram_view *view, unsigned permille);

#endif
