/* SPDX-License-Identifier: BSD-2-Clause */
/* The programs' image, and the places in an address space where programs find themselves. */
#ifndef GUEST_USER_IMAGE_H
#define GUEST_USER_IMAGE_H

#include "guest/lib/types.h"
#include "guest/user/abi.h"

struct mm;

#define USER_STACK_BYTES 16384u

/* Maps a copy of the image at USER_TEXT, to read and to execute. 0 or an error of mm_map(). */
s64 user_image_map(struct mm *mm);

/* Bytes of it: what lies in [USER_TEXT, USER_TEXT + bytes) is a program. */
u64 user_image_bytes(void);

u64 user_program_entry(enum user_program program);

/*
 * Maps a stack, the `index`-th of that mm (below 65536); nothing is mapped within its own size
 * below it. *top is 16-byte aligned. 0 or an error of mm_map().
 */
s64 user_stack_map(struct mm *mm, u32 index, u64 *top);

#endif
