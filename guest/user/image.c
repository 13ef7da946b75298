/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/user/image.h"

#include "guest/lib/print.h"
#include "guest/mm/map.h"
#include "guest/user/copy.h"

#define STACKS 0x700000000000ul

extern const u8 user_image[], user_image_end[];

u64 user_image_bytes(void)
{
	return (u64)(user_image_end - user_image);
}

u64 user_program_entry(enum user_program program)
{
	const u64 *entry = (const void *)user_image; /* programs/entries.c */

	ASSERT(program < PROGRAM_COUNT && user_image_bytes() > PROGRAM_COUNT * sizeof(*entry));
	return entry[program];
}

s64 user_image_map(struct mm *mm)
{
	u64 bytes = ALIGN_UP(user_image_bytes(), PAGE_SIZE);
	s64 r = mm_map(mm, USER_TEXT, bytes, PROT_READ | PROT_WRITE, 0);

	if (r < 0)
		return r;
	r = copy_to_user(mm, USER_TEXT, user_image, user_image_bytes());
	return r ? r : mm_protect(mm, USER_TEXT, bytes, PROT_READ | PROT_EXEC);
}

s64 user_stack_map(struct mm *mm, u32 index, u64 *top)
{
	u64 base = STACKS + (2ul * index + 1) * USER_STACK_BYTES;
	s64 r = mm_map(mm, base, USER_STACK_BYTES, PROT_READ | PROT_WRITE, 0);

	*top = base + USER_STACK_BYTES;
	return MIN(r, 0);
}
