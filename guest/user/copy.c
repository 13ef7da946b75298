/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/user/copy.h"

#include "guest/lib/errno.h"
#include "guest/lib/string.h"
#include "guest/mm/exit.h"
#include "guest/mm/fault.h"
#include "guest/mm/mm.h"

/* `bytes` do not cross a page. */
static int copy_in_page(struct mm *mm, u64 va, void *buffer, size_t bytes, unsigned access)
{
	paddr_t page;
	int error;

	mm_lock(mm);
	error = fault_locked(mm, ALIGN_DOWN(va, PAGE_SIZE), access, &page);
	if (!error) {
		void *p = (u8 *)phys_to_virt(page) + va % PAGE_SIZE;

		if (access == ACCESS_WRITE)
			memcpy(p, buffer, bytes);
		else
			memcpy(buffer, p, bytes);
	}
	mm_unlock(mm);
	return error;
}

/* Whatever `va` is, even where it wraps: each page is looked up by itself. */
static int copy_pages(struct mm *mm, u64 va, void *buffer, size_t bytes, unsigned access)
{
	bool last = false;
	int error = 0;

	while (bytes && !error) {
		size_t part = MIN(bytes, PAGE_SIZE - va % PAGE_SIZE);

		do
			error = copy_in_page(mm, va, buffer, part, access);
		while (error == -ENOMEM && exit_try_again(&last));
		va += part;
		buffer = (u8 *)buffer + part;
		bytes -= part;
	}
	return error;
}

int copy_from_user(struct mm *mm, void *dst, u64 src, size_t bytes)
{
	return copy_pages(mm, src, dst, bytes, ACCESS_READ);
}

int copy_to_user(struct mm *mm, u64 dst, const void *src, size_t bytes)
{
	return copy_pages(mm, dst, (void *)(u64)src, bytes, ACCESS_WRITE);
}
