/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/lib/cmdline.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"

static const char *cmdline = "";

void cmdline_init(const char *text)
{
	cmdline = text;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static size_t word_length(const char *p)
{
	size_t n = 0;

	while (p[n] && !is_blank(p[n]))
		n++;
	return n;
}

bool cmdline_get(const char *key, char *buf, size_t size)
{
	size_t key_length = strlen(key);

	for (const char *word = cmdline; *word;) {
		size_t length = word_length(word);
		size_t skip = key_length + (length > key_length);

		if (length >= key_length && strncmp(word, key, key_length) == 0 &&
		    (length == key_length || word[key_length] == '=')) {
			size_t n = MIN(length - skip, size - 1);

			memcpy(buf, word + skip, n);
			buf[n] = '\0';
			return true;
		}
		word += length;
		while (is_blank(*word))
			word++;
	}
	return false;
}

static u32 digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (u32)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (u32)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (u32)(c - 'A') + 10;
	return 16;
}

u64 cmdline_u64(const char *key, u64 fallback)
{
	char text[24];
	const char *p = text;
	u32 base = 10;
	u64 value = 0;

	if (!cmdline_get(key, text, sizeof(text)))
		return fallback;
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	}
	do {
		u32 digit = digit_value(*p);

		if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			panic("command line: %s=%s is not a number", key, text);
	} while (*++p);
	return value;
}

bool cmdline_lists(const char *key, const char *word)
{
	char list[512];
	size_t len = strlen(word);

	if (!cmdline_get(key, list, sizeof(list)))
		return true;
	for (const char *p = list; *p; p++)
		if ((p == list || p[-1] == ',') && !strncmp(p, word, len) &&
		    (!p[len] || p[len] == ','))
			return true;
	return false;
}
