/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/lib/print.h"
#include "guest/lib/string.h"

struct sink {
	char *buf;
	size_t size;
	size_t length; /* of the whole text, also what did not fit */
};

struct spec {
	bool left, zero, alt;
	u32 width;
	bool has_precision;
	u32 precision;
	u32 bytes; /* size of the integer argument */
};

static void put(struct sink *s, char c)
{
	if (s->length + 1 < s->size)
		s->buf[s->length] = c;
	s->length++;
}

static void put_repeated(struct sink *s, char c, size_t n)
{
	while (n--)
		put(s, c);
}

static void put_text(struct sink *s, const struct spec *f, const char *text, size_t n)
{
	size_t pad = f->width > n ? f->width - n : 0;

	if (!f->left)
		put_repeated(s, ' ', pad);
	for (size_t i = 0; i < n; i++)
		put(s, text[i]);
	if (f->left)
		put_repeated(s, ' ', pad);
}

static void put_string(struct sink *s, const struct spec *f, const char *text)
{
	size_t n = 0;

	if (!text)
		text = "(null)";
	while ((!f->has_precision || n < f->precision) && text[n])
		n++;
	put_text(s, f, text, n);
}

static void put_number(struct sink *s, const struct spec *f, u64 value, u32 base, bool upper,
		       const char *prefix)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24];
	size_t n = 0, prefix_length = strlen(prefix), zeroes, total;

	do {
		text[n++] = digits[value % base];
		value /= base;
	} while (value);
	zeroes = f->has_precision && f->precision > n ? f->precision - n : 0;
	if (f->zero && !f->left && !f->has_precision && f->width > n + prefix_length)
		zeroes = f->width - n - prefix_length;
	total = prefix_length + zeroes + n;
	if (!f->left && f->width > total)
		put_repeated(s, ' ', f->width - total);
	while (*prefix)
		put(s, *prefix++);
	put_repeated(s, '0', zeroes);
	while (n--)
		put(s, text[n]);
	if (f->left && f->width > total)
		put_repeated(s, ' ', f->width - total);
}

static const char *parse_number(const char *p, u32 *value)
{
	for (*value = 0; *p >= '0' && *p <= '9'; p++)
		*value = *value * 10 + (u32)(*p - '0');
	return p;
}

static const char *parse_flags(const char *p, struct spec *f)
{
	for (;; p++) {
		if (*p == '-')
			f->left = true;
		else if (*p == '0')
			f->zero = true;
		else if (*p == '#')
			f->alt = true;
		else
			return p;
	}
}

static const char *parse_length(const char *p, struct spec *f)
{
	f->bytes = sizeof(int);
	if (*p == 'h') {
		f->bytes = p[1] == 'h' ? sizeof(char) : sizeof(short);
		return p + (p[1] == 'h' ? 2 : 1);
	}
	if (*p == 'l' || *p == 'z' || *p == 'j' || *p == 't') {
		f->bytes = sizeof(long);
		return p + (p[0] == 'l' && p[1] == 'l' ? 2 : 1);
	}
	return p;
}

static u64 narrow(u64 value, u32 bytes, bool is_signed)
{
	u32 shift = 64 - 8 * bytes;

	return is_signed ? (u64)((s64)(value << shift) >> shift) : value << shift >> shift;
}

static void put_integer(struct sink *s, const struct spec *f, char conversion, u64 raw)
{
	u64 value = narrow(raw, f->bytes, conversion == 'd');

	if (conversion == 'd' && (s64)value < 0)
		put_number(s, f, -value, 10, false, "-");
	else if (conversion == 'd' || conversion == 'u')
		put_number(s, f, value, 10, false, "");
	else if (conversion == 'o')
		put_number(s, f, value, 8, false, f->alt && value ? "0" : "");
	else
		put_number(s, f, value, 16, conversion == 'X', f->alt && value ? "0x" : "");
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct sink s = { .buf = buf, .size = size };

	for (; *fmt; fmt++) {
		struct spec f = { 0 };
		char c;

		if (*fmt != '%') {
			put(&s, *fmt);
			continue;
		}
		fmt = parse_flags(fmt + 1, &f);
		if (*fmt == '*') {
			f.width = (u32)va_arg(ap, int);
			fmt++;
		} else {
			fmt = parse_number(fmt, &f.width);
		}
		if (*fmt == '.') {
			f.has_precision = true;
			if (fmt[1] == '*') {
				f.precision = (u32)va_arg(ap, int);
				fmt += 2;
			} else {
				fmt = parse_number(fmt + 1, &f.precision);
			}
		}
		fmt = parse_length(fmt, &f);
		switch (*fmt) {
		case 'd':
		case 'i':
		case 'u':
		case 'o':
		case 'x':
		case 'X':
			put_integer(&s, &f, (char)(*fmt == 'i' ? 'd' : *fmt),
				    f.bytes == sizeof(long) ? va_arg(ap, u64) : va_arg(ap, u32));
			break;
		case 'p':
			f.alt = true;
			f.bytes = sizeof(void *);
			put_integer(&s, &f, 'x', (u64)va_arg(ap, void *));
			break;
		case 's':
			put_string(&s, &f, va_arg(ap, const char *));
			break;
		case 'c':
			c = (char)va_arg(ap, int);
			put_text(&s, &f, &c, 1);
			break;
		case '\0':
			fmt--;
			break;
		default:
			put(&s, *fmt);
		}
	}
	if (size)
		buf[MIN(s.length, size - 1)] = '\0';
	return (int)s.length;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
