/* SPDX-License-Identifier: BSD-2-Clause */
#include "serial.h"

#include <linux/kvm.h>

#include "console.h"
#include "kvm.h"

enum {
	REG_DATA = 0, /* RBR, THR; DLL with DLAB */
	REG_IER = 1,  /* DLM with DLAB */
	REG_IIR = 2,  /* FCR when written */
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_MSR = 6,
	REG_SCRATCH = 7,
};

#define IER_RX	      0x01
#define IER_THR_EMPTY 0x02
#define IER_MASK      0x0f
#define IIR_NONE      0x01
#define IIR_THR_EMPTY 0x02
#define IIR_RX	      0x04
#define IIR_FIFO_ON   0xc0
#define FCR_ENABLE    0x01
#define FCR_CLEAR_RX  0x02
#define LCR_DLAB      0x80
#define MCR_MASK      0x1f
#define MCR_OUT2      0x08 /* gates the interrupt line on a PC */
#define MCR_LOOPBACK  0x10
#define LSR_DATA      0x01
#define LSR_THR_EMPTY 0x20
#define LSR_IDLE      0x40
#define MSR_CTS	      0x10
#define MSR_DSR	      0x20
#define MSR_RI	      0x40
#define MSR_DCD	      0x80

void serial_create(struct serial *s, struct console *out, int vm_fd)
{
	*s = (struct serial){ .out = out, .vm_fd = vm_fd, .dll = 1 };
	pthread_mutex_init(&s->lock, NULL);
}

void serial_destroy(struct serial *s)
{
	if (!s->out)
		return;
	pthread_mutex_destroy(&s->lock);
	s->out = NULL;
}

static size_t rx_count(const struct serial *s)
{
	return s->rx_head - s->rx_tail;
}

static void rx_push(struct serial *s, uint8_t byte)
{
	if (rx_count(s) < SERIAL_RX_BYTES)
		s->rx[s->rx_head++ % SERIAL_RX_BYTES] = byte;
}

/* Called with the lock held after every change; the line follows the registers. */
static void update_irq(struct serial *s)
{
	bool level = ((s->ier & IER_RX) && rx_count(s)) ||
		     ((s->ier & IER_THR_EMPTY) && s->thr_empty_pending);

	level = level && (s->mcr & MCR_OUT2) && !(s->mcr & MCR_LOOPBACK);
	if (level == s->irq_level || s->vm_fd < 0)
		return;
	s->irq_level = level;
	struct kvm_irq_level irq = { .irq = SERIAL_IRQ, .level = level };
	/* Cannot fail with an in-kernel interrupt controller and a valid pin. */
	kvm_ioctl(s->vm_fd, KVM_IRQ_LINE, &irq);
}

static void write_locked(struct serial *s, unsigned reg, uint8_t value)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			s->dll = value;
		else if (s->mcr & MCR_LOOPBACK)
			rx_push(s, value);
		else
			s->thr_empty_pending = true;
		break;
	case REG_IER:
		if (dlab) {
			s->dlm = value;
			break;
		}
		/* Enabling the transmitter-empty interrupt raises it: the transmitter is empty. */
		if ((value & IER_THR_EMPTY) && !(s->ier & IER_THR_EMPTY))
			s->thr_empty_pending = true;
		s->ier = value & IER_MASK;
		break;
	case REG_IIR:
		s->fcr = value;
		if (value & FCR_CLEAR_RX)
			s->rx_tail = s->rx_head;
		break;
	case REG_LCR:
		s->lcr = value;
		break;
	case REG_MCR:
		s->mcr = value & MCR_MASK;
		break;
	case REG_SCRATCH:
		s->scratch = value;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
}

void serial_write(struct serial *s, unsigned reg, uint8_t value)
{
	pthread_mutex_lock(&s->lock);
	bool output = reg == REG_DATA && !(s->lcr & LCR_DLAB) && !(s->mcr & MCR_LOOPBACK);
	write_locked(s, reg, value);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
	/* Outside the lock: it may wait for the host, which must not hold up input. */
	if (output)
		console_put(s->out, value);
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t fifo = s->fcr & FCR_ENABLE ? IIR_FIFO_ON : 0;

	if ((s->ier & IER_RX) && rx_count(s))
		return IIR_RX | fifo;
	if ((s->ier & IER_THR_EMPTY) && s->thr_empty_pending) {
		s->thr_empty_pending = false;
		return IIR_THR_EMPTY | fifo;
	}
	return IIR_NONE | fifo;
}

/* In loopback the modem inputs show the modem outputs: RTS, DTR, OUT1, OUT2. */
static uint8_t read_msr(const struct serial *s)
{
	if (!(s->mcr & MCR_LOOPBACK))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (uint8_t)((s->mcr & 0x02 ? MSR_CTS : 0) | (s->mcr & 0x01 ? MSR_DSR : 0) |
			 (s->mcr & 0x04 ? MSR_RI : 0) | (s->mcr & 0x08 ? MSR_DCD : 0));
}

static uint8_t read_locked(struct serial *s, unsigned reg)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			return s->dll;
		return rx_count(s) ? s->rx[s->rx_tail++ % SERIAL_RX_BYTES] : 0;
	case REG_IER:
		return dlab ? s->dlm : s->ier;
	case REG_IIR:
		return read_iir(s);
	case REG_LCR:
		return s->lcr;
	case REG_MCR:
		return s->mcr;
	case REG_LSR:
		return (uint8_t)(LSR_THR_EMPTY | LSR_IDLE | (rx_count(s) ? LSR_DATA : 0));
	case REG_MSR:
		return read_msr(s);
	default:
		return s->scratch;
	}
}

uint8_t serial_read(struct serial *s, unsigned reg)
{
	pthread_mutex_lock(&s->lock);
	uint8_t value = read_locked(s, reg);
	bool wake = s->input_wanted && rx_count(s) < SERIAL_RX_BYTES;
	if (wake)
		s->input_wanted = false;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
	if (wake)
		console_wake(s->out);
	return value;
}

size_t serial_input_room(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	size_t room = SERIAL_RX_BYTES - rx_count(s);
	s->input_wanted = !room;
	pthread_mutex_unlock(&s->lock);
	return room;
}

void serial_input(struct serial *s, const uint8_t *bytes, size_t n)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < n; i++)
		rx_push(s, bytes[i]);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}
