/* SPDX-License-Identifier: BSD-2-Clause */
#include "words.h"

#include <sanitizer/asan_interface.h>

#include "machine_fixture.h"

#define UNCHECKED __attribute__((no_sanitize("address"), noinline))

struct word_watch word_watch;

void words_close(void)
{
	ASAN_POISON_MEMORY_REGION(machine.mem.base, RAM_ALL);
}

void words_open(void)
{
	ASAN_UNPOISON_MEMORY_REGION(machine.mem.base, RAM_ALL);
}

/* Is it guest RAM, and does anybody look on? */
static bool watched(const void *word, size_t bytes, size_t *offset)
{
	*offset = (uintptr_t)word - (uintptr_t)machine.mem.base;
	if (*offset < RAM_ALL && bytes <= RAM_ALL - *offset)
		return word_watch.before;
	MUST(!__asan_region_is_poisoned((void *)(uintptr_t)word, bytes),
	     "an access beyond guest RAM, offset %#zx", *offset);
	return false;
}

UNCHECKED static uint64_t load(const void *word, size_t bytes)
{
	return bytes == 4 ? __atomic_load_n((const uint32_t *)word, __ATOMIC_SEQ_CST)
			  : __atomic_load_n((const uint64_t *)word, __ATOMIC_SEQ_CST);
}

UNCHECKED static void store(void *word, size_t bytes, uint64_t value)
{
	if (bytes == 4)
		__atomic_store_n((uint32_t *)word, (uint32_t)value, __ATOMIC_SEQ_CST);
	else
		__atomic_store_n((uint64_t *)word, value, __ATOMIC_SEQ_CST);
}

uint64_t word_load(const void *word, size_t bytes)
{
	size_t offset;

	MUST(bytes == 4 || bytes == 8, "a word of %zu bytes", bytes);
	if (!watched(word, bytes, &offset))
		return load(word, bytes);
	word_watch.before();
	uint64_t value = load(word, bytes);

	word_watch.loaded(offset, bytes, value);
	return value;
}

void word_store(void *word, size_t bytes, uint64_t value)
{
	size_t offset;

	MUST(bytes == 4 || bytes == 8, "a word of %zu bytes", bytes);
	if (!watched(word, bytes, &offset)) {
		store(word, bytes, value);
		return;
	}
	word_watch.before();
	word_watch.stored(offset, bytes, bytes == 4 ? (uint32_t)value : value);
	store(word, bytes, value);
}
