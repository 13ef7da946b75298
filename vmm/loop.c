/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"

#define RING_ENTRIES  16u
#define OUTPUT_BYTES  4096u
#define CAPTURE_MAX   (1u << 20)
#define LINGER_NS     (10l * 1000 * 1000) /* an unfinished line may wait that long for its rest */
#define GRACE_SECONDS 2 /* for a reader of stdout that hangs, once the user wants out */

/* At most one request of a kind is in flight; its number is the completion's user_data. */
enum request {
	WAKE,
	SIGNAL,
	TIMEOUT,
	OUTPUT,
	OUTPUT_READY, /* after EAGAIN: stdout is non-blocking */
	INPUT,
	INPUT_READY,
	LINGER, /* for the rest of a line */
	GRACE,
	REQUESTS,
	CANCEL = REQUESTS,
};

struct loop {
	struct machine *m;
	struct io_uring ring;
	int signal_pipe[2]; /* from on_signal(): the signal's number, one byte */
	struct sigaction old_int, old_term;
	unsigned in_flight; /* 1u << enum request */
	bool draining;	    /* the machine has stopped */
	bool output_dead;   /* nobody reads stdout any more */
	bool input_ended;
	bool lingered; /* no more waiting for the rest of the line */

	uint64_t wakes;
	uint8_t signal;
	struct __kernel_timespec timeout, linger, grace;
	uint8_t output[OUTPUT_BYTES];
	size_t output_len, output_done;
	uint8_t input[SERIAL_RX_BYTES];
};

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

static int catch_signals(struct loop *l)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	if (pipe2(l->signal_pipe, O_CLOEXEC))
		return -errno;
	fcntl(l->signal_pipe[1], F_SETFL, O_NONBLOCK);
	signal_pipe_end = l->signal_pipe[1];
	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, &l->old_int);
	sigaction(SIGTERM, &sa, &l->old_term);
	return 0;
}

static void release_signals(struct loop *l)
{
	sigaction(SIGINT, &l->old_int, NULL);
	sigaction(SIGTERM, &l->old_term, NULL);
	close(l->signal_pipe[0]);
	close(l->signal_pipe[1]);
}

static struct io_uring_sqe *begin(struct loop *l, enum request r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->ring);

	/* Full only while unsubmitted: at most one of each kind, and the queue holds twice that. */
	if (!sqe) {
		io_uring_submit(&l->ring);
		sqe = io_uring_get_sqe(&l->ring);
	}
	if (r < REQUESTS)
		l->in_flight |= 1u << r;
	return sqe;
}

static void commit(struct io_uring_sqe *sqe, enum request r)
{
	io_uring_sqe_set_data64(sqe, r);
}

static bool busy(const struct loop *l, enum request r)
{
	return l->in_flight & (1u << r);
}

static void read_into(struct loop *l, enum request r, int fd, void *dst, size_t len)
{
	struct io_uring_sqe *sqe = begin(l, r);

	io_uring_prep_read(sqe, fd, dst, (unsigned)len, (uint64_t)-1);
	commit(sqe, r);
}

static void wait_ready(struct loop *l, enum request r, int fd, unsigned events)
{
	struct io_uring_sqe *sqe = begin(l, r);

	io_uring_prep_poll_add(sqe, fd, events);
	commit(sqe, r);
}

static void wait_time(struct loop *l, enum request r, struct __kernel_timespec *ts)
{
	struct io_uring_sqe *sqe = begin(l, r);

	io_uring_prep_timeout(sqe, ts, 0, 0);
	commit(sqe, r);
}

/* Keeps the first CAPTURE_MAX bytes, with a NUL behind them. */
static void capture(struct machine *m, const uint8_t *bytes, size_t n)
{
	if (n > CAPTURE_MAX - m->capture_len)
		n = CAPTURE_MAX - m->capture_len;
	char *grown = realloc(m->capture, m->capture_len + n + 1);
	if (!grown)
		return;
	memcpy(grown + m->capture_len, bytes, n);
	m->capture = grown;
	m->capture_len += n;
	grown[m->capture_len] = 0;
}

static void continue_output(struct loop *l)
{
	struct io_uring_sqe *sqe = begin(l, OUTPUT);

	io_uring_prep_write(sqe, STDOUT_FILENO, l->output + l->output_done,
			    (unsigned)(l->output_len - l->output_done), (uint64_t)-1);
	commit(sqe, OUTPUT);
}

/* Is it time to write what the guest has put into the console? Many guests put single bytes. */
static bool output_due(struct loop *l)
{
	enum console_fill f = console_fill(&l->m->console);

	if (f == CONSOLE_SOME && !l->lingered && !l->draining) {
		if (!busy(l, LINGER))
			wait_time(l, LINGER, &l->linger);
		return false;
	}
	l->lingered = false;
	return f != CONSOLE_EMPTY;
}

/* Moves console bytes on their way, unless some still are. */
static void start_output(struct loop *l)
{
	enum console_mode mode = l->m->options->console;

	while (!busy(l, OUTPUT) && !busy(l, OUTPUT_READY) && output_due(l)) {
		l->output_done = 0;
		l->output_len = console_take(&l->m->console, l->output, sizeof(l->output));
		if (mode == CONSOLE_CAPTURE)
			capture(l->m, l->output, l->output_len);
		else if (mode == CONSOLE_STDIO && !l->output_dead)
			continue_output(l);
	}
}

static void start_input(struct loop *l)
{
	if (l->m->options->console != CONSOLE_STDIO || l->input_ended || l->draining ||
	    busy(l, INPUT) || busy(l, INPUT_READY))
		return;
	size_t room = serial_input_room(&l->m->serial);
	if (room)
		read_into(l, INPUT, STDIN_FILENO, l->input, room);
}

static void output_done(struct loop *l, int result)
{
	if (result == -EAGAIN) {
		wait_ready(l, OUTPUT_READY, STDOUT_FILENO, POLLOUT);
	} else if (result == -EINTR) {
		continue_output(l);
	} else if (result < 0) {
		l->output_dead = true;
		machine_stop(l->m, RUN_HOST_ERROR, "stdout: %s", strerror(-result));
	} else {
		l->output_done += (size_t)result;
		if (l->output_done < l->output_len)
			continue_output(l);
	}
}

static void input_done(struct loop *l, int result)
{
	if (result > 0)
		serial_input(&l->m->serial, l->input, (size_t)result);
	else if (result == -EAGAIN)
		wait_ready(l, INPUT_READY, STDIN_FILENO, POLLIN);
	else if (result != -EINTR)
		l->input_ended = true; /* end of file, or no stdin at all */
}

/* The machine has stopped, but a reader of stdout hangs: the user need not wait for it. */
static void end_soon(struct loop *l)
{
	if (l->draining && !busy(l, GRACE))
		wait_time(l, GRACE, &l->grace);
}

static void completed(struct loop *l, enum request r, int result)
{
	switch (r) {
	case WAKE:
		read_into(l, WAKE, l->m->console.wake_fd, &l->wakes, sizeof(l->wakes));
		break;
	case SIGNAL:
		machine_stop(l->m, RUN_SIGNALLED + (int)l->signal, "%s", strsignal(l->signal));
		read_into(l, SIGNAL, l->signal_pipe[0], &l->signal, sizeof(l->signal));
		end_soon(l);
		break;
	case TIMEOUT:
		machine_stop(l->m, RUN_TIMED_OUT, "no verdict within %u s",
			     l->m->options->timeout_s);
		end_soon(l);
		break;
	case OUTPUT:
		output_done(l, result);
		break;
	case OUTPUT_READY:
		continue_output(l);
		break;
	case INPUT:
		input_done(l, result);
		break;
	case LINGER:
		l->lingered = true;
		break;
	case GRACE:
		l->output_dead = true;
		break;
	case INPUT_READY: /* start_input() reads */
	case CANCEL:
		break;
	}
}

/* Waits for at least one completion and takes all there are. */
static void turn(struct loop *l, bool handle)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	int r = io_uring_submit_and_wait(&l->ring, 1);
	if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY) {
		machine_failed(l->m, "io_uring_enter", r);
		l->output_dead = true;
		return;
	}
	io_uring_for_each_cqe(&l->ring, head, cqe)
	{
		enum request request = (enum request)cqe->user_data;

		n++;
		if (request < REQUESTS)
			l->in_flight &= ~(1u << request);
		if (handle)
			completed(l, request, cqe->res);
	}
	io_uring_cq_advance(&l->ring, n);
}

static bool output_pending(const struct loop *l)
{
	return !l->output_dead && (busy(l, OUTPUT) || busy(l, OUTPUT_READY));
}

static void drain(struct loop *l)
{
	l->draining = true;
	if (l->m->status == RUN_TIMED_OUT || l->m->status > RUN_SIGNALLED) {
		if (!busy(l, GRACE))
			wait_time(l, GRACE, &l->grace);
	}
	for (start_output(l); output_pending(l); start_output(l))
		turn(l, true);
}

void loop_run(struct loop *l)
{
	while (!atomic_load(&l->m->stop)) {
		start_output(l);
		start_input(l);
		turn(l, true);
	}
	drain(l);
	console_close(&l->m->console);
}

/* Buffers are ours again only when the kernel has completed every request. */
static void cancel_all(struct loop *l)
{
	for (unsigned r = 0; r < REQUESTS; r++) {
		if (!busy(l, (enum request)r))
			continue;
		struct io_uring_sqe *sqe = begin(l, CANCEL);
		io_uring_prep_cancel64(sqe, r, 0);
		commit(sqe, CANCEL);
	}
	while (l->in_flight)
		turn(l, false);
}

void loop_finish(struct loop *l)
{
	drain(l);
	cancel_all(l);
	io_uring_queue_exit(&l->ring);
	release_signals(l);
	free(l);
}

struct loop *loop_create(struct machine *m)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l) {
		machine_failed(m, "event loop", -ENOMEM);
		return NULL;
	}
	l->m = m;
	l->timeout.tv_sec = m->options->timeout_s;
	l->linger.tv_nsec = LINGER_NS;
	l->grace.tv_sec = GRACE_SECONDS;
	int r = io_uring_queue_init(RING_ENTRIES, &l->ring, 0);
	if (r) {
		machine_failed(m, "io_uring_setup", r);
		free(l);
		return NULL;
	}
	r = catch_signals(l);
	if (r) {
		machine_failed(m, "pipe", r);
		io_uring_queue_exit(&l->ring);
		free(l);
		return NULL;
	}
	read_into(l, WAKE, m->console.wake_fd, &l->wakes, sizeof(l->wakes));
	read_into(l, SIGNAL, l->signal_pipe[0], &l->signal, sizeof(l->signal));
	if (m->options->timeout_s)
		wait_time(l, TIMEOUT, &l->timeout);
	return l;
}
