/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 16550A UART (National Semiconductor PC16550D) as far as drivers look:
 * output without delay, a receive FIFO, line and modem status, divisor latch,
 * loopback, interrupts for data received and transmitter empty.
 */
#ifndef HF_VMM_SERIAL_H
#define HF_VMM_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIAL_PORT  0x3f8u
#define SERIAL_PORTS 8u
#define SERIAL_IRQ   4u

#define SERIAL_RX_BYTES 64u /* power of two */

struct console;

struct serial {
	pthread_mutex_t lock;
	struct console *out;
	int vm_fd; /* for KVM_IRQ_LINE, or -1: no interrupts */
	bool irq_level;
	bool thr_empty_pending; /* transmitter-empty interrupt raised and not yet read */
	bool input_wanted;	/* the event loop waits for room in rx */
	uint8_t ier, lcr, mcr, scratch, fcr;
	uint8_t dll, dlm;
	uint8_t rx[SERIAL_RX_BYTES];
	size_t rx_head, rx_tail;
};

/* `out` must outlive the device. */
void serial_create(struct serial *s, struct console *out, int vm_fd);
void serial_destroy(struct serial *s);

/* Guest access to register `reg` (0 to 7). From any vCPU thread. */
void serial_write(struct serial *s, unsigned reg, uint8_t value);
uint8_t serial_read(struct serial *s, unsigned reg);

/*
 * From the event loop: bytes that would fit now. At 0 the loop is woken
 * (console_wake) once the guest has made room.
 */
size_t serial_input_room(struct serial *s);

/* From the event loop: n bytes of input, n at most what serial_input_room() returned. */
void serial_input(struct serial *s, const uint8_t *bytes, size_t n);

#endif
