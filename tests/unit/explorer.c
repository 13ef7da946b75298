/* SPDX-License-Identifier: BSD-2-Clause */
#include "explorer.h"

#include <linux/futex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#define STACK_BYTES 65536u
#define MAX_DELAYED 8u
#define MAX_CHOICES 512u /* in one run: more means that it does not end */

struct delayed {
	volatile void *p;
	size_t size;
	enum model_rmw op;
	uint64_t value;
};

struct thread {
	ucontext_t start;
	jmp_buf at;
	bool started, finished, interrupted;
	bool may_end;
	bool (*ready)(void *ctx, unsigned id); /* NULL: not waiting */
	const volatile void *futex;	       /* asleep on it, or NULL */
	struct delayed buffer[MAX_DELAYED];
	unsigned buffered;
	uint8_t *stack;
};

/* The one exploration in progress: atomics carry no context. */
static struct {
	const struct explorer_scenario *scenario;
	struct explorer_report *report;
	struct thread threads[EXPLORER_MAX_THREADS];
	jmp_buf scheduler; /* where a thread gives up its step */
	jmp_buf end;	   /* where a violation goes */
	unsigned self;
	unsigned switches; /* left in this run */
	struct timespec now;
	uint16_t chosen[MAX_CHOICES], options[MAX_CHOICES];
	unsigned depth, known; /* choices made in this run; choices given in advance */
} x;

unsigned explorer_self(void)
{
	return x.self;
}

unsigned explorer_choose(unsigned n)
{
	if (n < 2)
		return 0;
	if (x.depth == MAX_CHOICES)
		explorer_fail("a run does not end");
	if (x.depth == x.known) {
		x.chosen[x.known] = 0;
		x.options[x.known++] = (uint16_t)n;
	}
	return x.chosen[x.depth++];
}

/* Moves on to the next sequence of choices. False after the last. */
static bool next_choices(void)
{
	while (x.known && x.chosen[x.known - 1] + 1u == x.options[x.known - 1])
		x.known--;
	if (!x.known)
		return false;
	x.chosen[x.known - 1]++;
	return true;
}

void explorer_fail(const char *what)
{
	struct explorer_report *r = x.report;
	int used = snprintf(r->text, sizeof(r->text), "%s; choices", what);

	for (unsigned i = 0; i < x.depth && used > 0 && (size_t)used < sizeof(r->text); i++)
		used += snprintf(r->text + used, sizeof(r->text) - (size_t)used, " %u",
				 x.chosen[i]);
	r->failed = true;
	_longjmp(x.end, 1);
}

static void to_scheduler(void)
{
	if (!_setjmp(x.threads[x.self].at))
		_longjmp(x.scheduler, 1);
}

void explorer_point(void)
{
	to_scheduler();
}

void explorer_wait(bool (*ready)(void *ctx, unsigned id), bool may_end)
{
	struct thread *t = &x.threads[x.self];

	explorer_drain(x.self);
	t->ready = ready;
	t->may_end = may_end;
	explorer_point();
	t->ready = NULL;
}

static uint64_t memory_read(const volatile void *p, size_t size)
{
	return size == 8 ? *(const volatile uint64_t *)p : *(const volatile uint32_t *)p;
}

static void memory_write(volatile void *p, size_t size, uint64_t value)
{
	if (size == 8)
		*(volatile uint64_t *)p = value;
	else
		*(volatile uint32_t *)p = (uint32_t)value;
}

static uint64_t applied(uint64_t old, enum model_rmw op, uint64_t value)
{
	return op == MODEL_ADD ? old + value : value;
}

static void drain_one(struct thread *t)
{
	const struct delayed *d = &t->buffer[0];

	memory_write(d->p, d->size, applied(memory_read(d->p, d->size), d->op, d->value));
	t->buffered--;
	memmove(t->buffer, t->buffer + 1, t->buffered * sizeof(t->buffer[0]));
}

void explorer_drain(unsigned id)
{
	while (x.threads[id].buffered)
		drain_one(&x.threads[id]);
}

/* Memory as the running thread sees it: through its own store buffer. */
static uint64_t seen(const volatile void *p, size_t size)
{
	const struct thread *t = &x.threads[x.self];
	uint64_t value = memory_read(p, size);

	for (unsigned i = 0; i < t->buffered; i++)
		if (t->buffer[i].p == p)
			value = applied(value, t->buffer[i].op, t->buffer[i].value);
	return value;
}

static void delay(volatile void *p, size_t size, enum model_rmw op, uint64_t value)
{
	struct thread *t = &x.threads[x.self];

	if (t->buffered == MAX_DELAYED)
		drain_one(t);
	t->buffer[t->buffered++] = (struct delayed){ p, size, op, value };
}

uint64_t model_load(const volatile void *p, size_t size)
{
	explorer_point();
	return seen(p, size);
}

void model_store(volatile void *p, size_t size, uint64_t value, bool delayed)
{
	explorer_point();
	delay(p, size, MODEL_EXCHANGE, value);
	if (!delayed)
		explorer_drain(x.self);
}

uint64_t model_rmw(volatile void *p, size_t size, enum model_rmw op, uint64_t value, bool delayed)
{
	explorer_point();
	if (!delayed || op != MODEL_ADD)
		explorer_drain(x.self);
	uint64_t old = seen(p, size);
	delay(p, size, op, value);
	if (!delayed || op != MODEL_ADD)
		explorer_drain(x.self);
	return old;
}

bool model_compare_exchange(volatile void *p, size_t size, void *expected, uint64_t value)
{
	explorer_point();
	explorer_drain(x.self);
	uint64_t old = memory_read(p, size);

	if (old != memory_read(expected, size)) {
		memory_write(expected, size, old);
		return false;
	}
	memory_write(p, size, value);
	return true;
}

int model_clock_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	*now = x.now;
	return 0;
}

static bool futex_woken(void *ctx, unsigned id)
{
	(void)ctx;
	return !x.threads[id].futex;
}

static bool futex_woken_or_late(void *ctx, unsigned id)
{
	return !x.scenario->patient || futex_woken(ctx, id);
}

/* The scheduler has gone on with this thread, though nobody has woken it: the timeout has come. */
static long timed_out(const struct timespec *timeout)
{
	x.threads[x.self].futex = NULL;
	if (x.now.tv_sec < timeout->tv_sec ||
	    (x.now.tv_sec == timeout->tv_sec && x.now.tv_nsec < timeout->tv_nsec))
		x.now = *timeout;
	return -1;
}

static long futex_wait(volatile void *word, uint32_t value, const struct timespec *timeout)
{
	struct thread *t = &x.threads[x.self];

	if (memory_read(word, sizeof(value)) != value)
		return -1;
	if (!t->interrupted && explorer_choose(2)) {
		t->interrupted = true; /* once a run: EINTR */
		return -1;
	}
	if (x.scenario->at_futex_wait)
		x.scenario->at_futex_wait(x.scenario->ctx, x.self);
	t->futex = word;
	explorer_wait(timeout ? futex_woken_or_late : futex_woken, false);
	return timeout && t->futex ? timed_out(timeout) : 0;
}

long model_syscall(long number, ...)
{
	va_list args;

	va_start(args, number);
	volatile void *word = va_arg(args, void *);
	int op = va_arg(args, int);
	uint32_t value = va_arg(args, uint32_t);
	const struct timespec *timeout = va_arg(args, const struct timespec *);
	va_end(args);
	if (number != SYS_futex)
		explorer_fail("a system call that the model does not know");
	explorer_point();
	explorer_drain(x.self);
	if (op == FUTEX_WAKE_PRIVATE) {
		for (unsigned i = 0; i < x.scenario->threads; i++)
			if (x.threads[i].futex == word)
				x.threads[i].futex = NULL;
	} else if (op == FUTEX_WAIT_PRIVATE) {
		if (timeout)
			explorer_fail("a relative timeout, which the model does not know");
		return futex_wait(word, value, NULL);
	} else if (op == FUTEX_WAIT_BITSET_PRIVATE) {
		return futex_wait(word, value, timeout);
	} else {
		explorer_fail("a futex operation that the model does not know");
	}
	return 0;
}

static void thread_main(void)
{
	x.scenario->thread(x.scenario->ctx, x.self);
	explorer_point(); /* what it stored last may still be delayed */
	explorer_drain(x.self);
	x.threads[x.self].finished = true;
	to_scheduler();
}

static bool enabled(unsigned id)
{
	const struct thread *t = &x.threads[id];

	return !t->finished && (!t->ready || t->ready(x.scenario->ctx, id));
}

static void resume(unsigned id)
{
	struct thread *t = &x.threads[id];

	x.self = id;
	if (_setjmp(x.scheduler))
		return;
	if (t->started)
		_longjmp(t->at, 1);
	t->started = true;
	setcontext(&t->start);
}

/* Lets one thread take a step or one delayed store become visible. False: nothing can move. */
static bool step(void)
{
	unsigned moves[2 * EXPLORER_MAX_THREADS], n = 0;
	/* A sleeper that may wake by its timeout is not interrupted by a switch. */
	bool going_on = enabled(x.self) && !x.threads[x.self].futex;

	if (going_on)
		moves[n++] = x.self;
	for (unsigned i = 0; i < x.scenario->threads && (!going_on || x.switches); i++) {
		if ((i != x.self || !going_on) && enabled(i))
			moves[n++] = i;
		if (x.threads[i].buffered)
			moves[n++] = EXPLORER_MAX_THREADS + i;
	}
	if (!n)
		return false;
	unsigned choice = explorer_choose(n);
	if (going_on && choice)
		x.switches--;
	if (moves[choice] >= EXPLORER_MAX_THREADS)
		drain_one(&x.threads[moves[choice] - EXPLORER_MAX_THREADS]);
	else
		resume(moves[choice]);
	return true;
}

static void check_end(void)
{
	for (unsigned i = 0; i < x.scenario->threads; i++)
		if (!x.threads[i].finished && !x.threads[i].may_end)
			explorer_fail("a thread waits for ever");
	if (x.scenario->finish)
		x.scenario->finish(x.scenario->ctx);
}

static void run_once(void)
{
	x.depth = 0;
	x.self = 0;
	x.switches = x.scenario->switches;
	x.now = (struct timespec){ 0 };
	for (unsigned i = 0; i < x.scenario->threads; i++) {
		struct thread *t = &x.threads[i];
		uint8_t *stack = t->stack;

		t->started = t->finished = t->interrupted = t->may_end = false;
		t->ready = NULL;
		t->futex = NULL;
		t->buffered = 0;
		t->start.uc_stack.ss_sp = stack;
		t->start.uc_stack.ss_size = STACK_BYTES;
		makecontext(&t->start, thread_main, 0);
	}
	x.scenario->reset(x.scenario->ctx);
	if (_setjmp(x.end))
		return;
	while (step())
		;
	check_end();
}

void explorer_run(const struct explorer_scenario *scenario, struct explorer_report *report)
{
	*report = (struct explorer_report){ 0 };
	x.scenario = scenario;
	x.report = report;
	x.known = 0;
	for (unsigned i = 0; i < scenario->threads; i++) {
		x.threads[i].stack = malloc(STACK_BYTES);
		if (!x.threads[i].stack)
			abort();
		getcontext(&x.threads[i].start);
	}
	do {
		run_once();
		report->runs++;
	} while (!report->failed && next_choices());
	for (unsigned i = 0; i < scenario->threads; i++)
		free(x.threads[i].stack);
}
