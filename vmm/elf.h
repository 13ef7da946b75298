/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF64 images with a PVH entry note (System V ABI, "Object Files"; Xen's
 * docs/misc/pvh.pandoc). Parsing is pure and trusts nothing in the file.
 */
#ifndef HF_VMM_ELF_H
#define HF_VMM_ELF_H

#include <stddef.h>
#include <stdint.h>

#include "gmem.h"

#define ELF_MAX_SEGMENTS 16u

struct elf_segment {
	uint64_t offset; /* in the file */
	uint64_t file_bytes;
	uint64_t gpa;
	uint64_t mem_bytes; /* at least file_bytes; the rest is zero */
};

struct elf_image {
	uint32_t entry; /* physical address of the 32-bit PVH entry */
	unsigned segment_count;
	struct elf_segment segments[ELF_MAX_SEGMENTS];
};

/*
 * NULL on success: every segment's bytes then lie inside the file, no
 * address wraps, and the entry lies in a segment. Otherwise what is wrong.
 */
const char *elf_parse(const void *bytes, size_t len, struct elf_image *image);

/* Copies the segments of a parsed image into zeroed RAM. NULL, or what is wrong. */
const char *elf_load(const struct elf_image *image, const void *file, const struct gmem *gm);

#endif
