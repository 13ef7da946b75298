/* SPDX-License-Identifier: BSD-2-Clause */
#include "console.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int console_create(struct console *c)
{
	*c = (struct console){ .wake_fd = eventfd(0, EFD_CLOEXEC) };
	if (c->wake_fd < 0)
		return -errno;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->space, NULL);
	return 0;
}

void console_destroy(struct console *c)
{
	if (c->wake_fd < 0)
		return;
	close(c->wake_fd);
	c->wake_fd = -1;
	pthread_cond_destroy(&c->space);
	pthread_mutex_destroy(&c->lock);
}

void console_wake(struct console *c)
{
	uint64_t one = 1;

	/* Cannot block or fail: the counter would have to reach 2^64 - 1 first. */
	if (write(c->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static enum console_fill fill(const struct console *c)
{
	size_t bytes = c->head - c->tail;

	if (!bytes)
		return CONSOLE_EMPTY;
	return c->line > c->tail || bytes >= CONSOLE_BYTES / 2 ? CONSOLE_RIPE : CONSOLE_SOME;
}

enum console_fill console_fill(struct console *c)
{
	pthread_mutex_lock(&c->lock);
	enum console_fill f = fill(c);
	pthread_mutex_unlock(&c->lock);
	return f;
}

void console_put(struct console *c, uint8_t byte)
{
	bool wake = false;

	pthread_mutex_lock(&c->lock);
	while (c->head - c->tail == CONSOLE_BYTES && !c->closed)
		pthread_cond_wait(&c->space, &c->lock);
	if (c->head - c->tail < CONSOLE_BYTES) {
		enum console_fill before = fill(c);

		c->ring[c->head++ % CONSOLE_BYTES] = byte;
		if (byte == '\n')
			c->line = c->head;
		wake = fill(c) != before;
	}
	pthread_mutex_unlock(&c->lock);
	if (wake)
		console_wake(c);
}

size_t console_take(struct console *c, void *dst, size_t max)
{
	uint8_t *out = dst;
	size_t taken = 0;

	pthread_mutex_lock(&c->lock);
	while (taken < max && c->tail != c->head) {
		size_t at = c->tail % CONSOLE_BYTES;
		size_t n = c->head - c->tail;

		if (n > CONSOLE_BYTES - at)
			n = CONSOLE_BYTES - at;
		if (n > max - taken)
			n = max - taken;
		memcpy(out + taken, c->ring + at, n);
		c->tail += n;
		taken += n;
	}
	if (taken)
		pthread_cond_broadcast(&c->space);
	pthread_mutex_unlock(&c->lock);
	return taken;
}

void console_close(struct console *c)
{
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	pthread_cond_broadcast(&c->space);
	pthread_mutex_unlock(&c->lock);
}
