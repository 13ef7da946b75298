/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"
#include "observer.h"
#include "signals.h"

#define RING_ENTRIES  16u
#define OUTPUT_BYTES  4096u
#define CAPTURE_MAX   (1u << 20)
#define LINGER_NS     (10l * 1000 * 1000) /* an unfinished line may wait that long for its rest */
#define NS_PER_S      1000000000u
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
	SINK_TIMER, /* one a sink, as the next */
	SINK_OUT = SINK_TIMER + OBSERVER_SINKS,
	REQUESTS = SINK_OUT + OBSERVER_SINKS,
	CANCEL = REQUESTS,
};

struct loop {
	struct machine *m;
	struct io_uring ring;
	struct signals signals;
	struct sink *sinks; /* OBSERVER_SINKS */
	unsigned in_flight; /* 1u << enum request */
	bool draining;	    /* the machine has stopped */
	bool output_dead;   /* nobody reads stdout any more */
	bool given_up;	    /* on all other files */
	bool input_ended;
	bool lingered; /* no more waiting for the rest of the line */

	uint64_t wakes;
	uint8_t signal;
	struct __kernel_timespec timeout, linger, grace, period[OBSERVER_SINKS];
	uint8_t output[OUTPUT_BYTES];
	size_t output_len, output_done;
	uint8_t input[SERIAL_RX_BYTES];
};

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

/* Writes what is due, or sees to it that some time later something is. */
static void start_sink(struct loop *l, unsigned i)
{
	struct sink *s = &l->sinks[i];
	enum request out = SINK_OUT + i, timer = SINK_TIMER + i;

	if (!busy(l, out) && sink_has_bytes(s)) {
		struct io_uring_sqe *sqe = begin(l, out);

		io_uring_prep_write(sqe, s->fd, s->bytes + s->done, (unsigned)(s->len - s->done),
				    (uint64_t)-1);
		commit(sqe, out);
	} else if (!busy(l, timer) && s->fd >= 0 && s->period_ns && !s->error && !l->draining) {
		l->period[i].tv_sec = (long long)(s->period_ns / NS_PER_S);
		l->period[i].tv_nsec = (long long)(s->period_ns % NS_PER_S);
		wait_time(l, timer, &l->period[i]);
	}
}

static void sink_out_done(struct loop *l, unsigned i, int result)
{
	struct sink *s = &l->sinks[i];

	if (s->waits) {
		s->waits = false;
	} else if (!sink_written(s, result)) {
		s->waits = true;
		wait_ready(l, SINK_OUT + i, s->fd, POLLOUT);
	} else if (s->error) {
		machine_stop(l->m, RUN_HOST_ERROR, "%s: %s", s->name, strerror(-s->error));
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
		read_into(l, SIGNAL, l->signals.pipe[0], &l->signal, sizeof(l->signal));
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
		l->output_dead = l->given_up = true;
		break;
	case INPUT_READY: /* start_input() reads */
	case CANCEL:
		break;
	default:
		if (r >= SINK_OUT)
			sink_out_done(l, r - SINK_OUT, result);
		else
			l->sinks[r - SINK_TIMER].due = true;
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
		l->output_dead = l->given_up = true;
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
		for (unsigned i = 0; i < OBSERVER_SINKS; i++)
			start_sink(l, i);
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

/* No vCPU thread is left: what they have recorded is all there is. */
static void finish_sink(struct loop *l, unsigned i)
{
	struct sink *s = &l->sinks[i];

	s->last = s->due = true;
	for (start_sink(l, i); busy(l, SINK_OUT + i) && !l->given_up; start_sink(l, i))
		turn(l, true);
}

void loop_finish(struct loop *l)
{
	drain(l);
	for (unsigned i = 0; i < OBSERVER_SINKS; i++)
		finish_sink(l, i);
	cancel_all(l);
	io_uring_queue_exit(&l->ring);
	signals_release(&l->signals);
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
	l->sinks = m->observer.sinks;
	l->timeout.tv_sec = m->options->timeout_s;
	l->linger.tv_nsec = LINGER_NS;
	l->grace.tv_sec = GRACE_SECONDS;
	int r = io_uring_queue_init(RING_ENTRIES, &l->ring, 0);
	if (r) {
		machine_failed(m, "io_uring_setup", r);
		free(l);
		return NULL;
	}
	r = signals_catch(&l->signals);
	if (r) {
		machine_failed(m, "pipe", r);
		io_uring_queue_exit(&l->ring);
		free(l);
		return NULL;
	}
	read_into(l, WAKE, m->console.wake_fd, &l->wakes, sizeof(l->wakes));
	read_into(l, SIGNAL, l->signals.pipe[0], &l->signal, sizeof(l->signal));
	if (m->options->timeout_s)
		wait_time(l, TIMEOUT, &l->timeout);
	return l;
}
