/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/console.h"
#include "guest/cpu/irq.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/sched/spinlock.h"

#define DEBUG_PORT 0xe9

/* 16550, DLAB 0 unless noted. */
#define COM1	       0x3f8
#define UART_DATA      (COM1 + 0) /* DLAB 1: divisor, low byte */
#define UART_IER       (COM1 + 1) /* DLAB 1: divisor, high byte */
#define UART_FCR       (COM1 + 2)
#define UART_LCR       (COM1 + 3)
#define UART_MCR       (COM1 + 4)
#define UART_LSR       (COM1 + 5)
#define LCR_8N1	       0x03
#define LCR_DLAB       0x80
#define FCR_ENABLE     0x07 /* and clear both FIFOs */
#define MCR_DTR_RTS    0x03
#define LSR_THRE       0x20
#define UART_FIFO      16
#define UART_MAX_POLLS 100000 /* a console that stalls loses text, not the guest */

static struct {
	struct spinlock lock;
	bool broken;
	bool com1, debug_port;
} console = { .com1 = true, .debug_port = true };

void console_init(void)
{
	char name[8] = "com1";

	if (cmdline_get("console", name, sizeof(name))) {
		if (strcmp(name, "e9") != 0 && strcmp(name, "com1") != 0)
			panic("command line: console=%s is neither com1 nor e9", name);
	}
	console.debug_port = strcmp(name, "e9") == 0;
	console.com1 = !console.debug_port;
	if (!console.com1)
		return;
	outb(UART_IER, 0);
	outb(UART_LCR, LCR_DLAB);
	outb(UART_DATA, 1); /* 115200 baud */
	outb(UART_IER, 0);
	outb(UART_LCR, LCR_8N1);
	outb(UART_FCR, FCR_ENABLE);
	outb(UART_MCR, MCR_DTR_RTS);
}

void console_break_lock(void)
{
	__atomic_store_n(&console.broken, true, __ATOMIC_SEQ_CST);
}

static void uart_write(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		u32 polls = i % UART_FIFO ? UART_MAX_POLLS : 0;

		while (polls < UART_MAX_POLLS && !(inb(UART_LSR) & LSR_THRE)) {
			cpu_pause();
			polls++;
		}
		outb(UART_DATA, (u8)text[i]);
	}
}

static void device_write(const char *text, size_t n)
{
	if (console.com1)
		uart_write(text, n);
	for (size_t i = 0; console.debug_port && i < n; i++)
		outb(DEBUG_PORT, (u8)text[i]);
}

void kprintf(const char *fmt, ...)
{
	char text[KPRINTF_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = MIN(n, KPRINTF_MAX - 1);
	if (__atomic_load_n(&console.broken, __ATOMIC_RELAXED)) {
		device_write(text, (size_t)n);
	} else {
		bool was = spin_lock_irq(&console.lock);

		device_write(text, (size_t)n);
		spin_unlock_irq(&console.lock, was);
	}
}
