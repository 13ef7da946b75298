/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzz targets share: taking an input apart, and saying what must hold. */
#ifndef HF_TESTS_FUZZ_H
#define HF_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/gmem.h"

/* What is left of an input. Beyond its end there are zeros. */
struct input {
	const uint8_t *at;
	size_t left;
};

static inline void take(struct input *in, void *dst, size_t n)
{
	size_t have = n < in->left ? n : in->left;

	memset(dst, 0, n);
	if (have)
		memcpy(dst, in->at, have);
	in->at += have;
	in->left -= have;
}

static inline uint8_t take8(struct input *in)
{
	uint8_t value;

	take(in, &value, sizeof(value));
	return value;
}

static inline uint16_t take16(struct input *in)
{
	uint16_t value;

	take(in, &value, sizeof(value));
	return value;
}

static inline uint64_t take64(struct input *in)
{
	uint64_t value;

	take(in, &value, sizeof(value));
	return value;
}

/* A number below 255, or any. */
static inline uint64_t take_small(struct input *in)
{
	uint8_t value = take8(in);

	return value == UINT8_MAX ? take64(in) : value;
}

/* A condition that no input may break; the text is what the run's report shows. */
#define MUST(condition, ...)                                    \
	do {                                                    \
		if (__builtin_expect(!(condition), 0)) {        \
			fprintf(stderr, "FINDING: ");           \
			fprintf(stderr, __VA_ARGS__);           \
			fprintf(stderr, " [%s]\n", #condition); \
			abort();                                \
		}                                               \
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAM_MAX (2u << 20)

/*
 * Zeroed guest RAM of low + high bytes, at most RAM_MAX. It lies between guards, so that an access
 * of the VMM that leaves it is one that AddressSanitizer reports. There is one RAM in the process.
 */
void ram_shape(struct gmem *gm, size_t low, size_t high);

/* A guest-physical address: near an end of some part of RAM, most times. */
uint64_t take_gpa(struct input *in, const struct gmem *gm);

/* A length and as many bytes of the input, written to RAM at gpa; nothing if not all of that is
 * RAM. */
void take_patch(struct input *in, const struct gmem *gm, uint64_t gpa);

#endif
