/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

/*
 * Not a signalfd: its waiters are woken by every signal of the process, and
 * each kick of a vCPU is one. A handler can only reach what is static.
 */
static int signal_pipe_end = -1;

static void on_signal(int sig)
{
	int saved = errno;
	uint8_t number = (uint8_t)sig;

	/* Full only if thousands are unread: one is enough. */
	ssize_t written = write(signal_pipe_end, &number, 1);

	(void)written;
	errno = saved;
}

int signals_catch(struct signals *s)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	if (pipe2(s->pipe, O_CLOEXEC))
		return -errno;
	fcntl(s->pipe[1], F_SETFL, O_NONBLOCK);
	signal_pipe_end = s->pipe[1];
	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, &s->old_int);
	sigaction(SIGTERM, &sa, &s->old_term);
	return 0;
}

void signals_release(struct signals *s)
{
	sigaction(SIGINT, &s->old_int, NULL);
	sigaction(SIGTERM, &s->old_term, NULL);
	close(s->pipe[0]);
	close(s->pipe[1]);
}
