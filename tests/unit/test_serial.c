/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/serial.c: registers, FIFO and interrupt line as a driver sees them (PC16550D). */
#include "unit.h"

#include <poll.h>
#include <unistd.h>

#include "fake_kvm.h"
#include "vmm/console.h"
#include "vmm/serial.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH };

#define FCR	 IIR
#define DLAB	 0x80
#define OUT2	 0x08
#define LOOPBACK 0x10
#define VM_FD	 7

static struct console console;
static struct serial serial;

static int setup(void **state)
{
	(void)state;
	fake_kvm = (struct fake_kvm){ 0 };
	if (console_create(&console))
		return -1;
	serial_create(&serial, &console, VM_FD);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	serial_destroy(&serial);
	console_destroy(&console);
	return 0;
}

static uint8_t in(unsigned reg)
{
	return serial_read(&serial, reg);
}

static void out(unsigned reg, uint8_t value)
{
	serial_write(&serial, reg, value);
}

static size_t written(char *text, size_t size)
{
	return console_take(&console, text, size);
}

static bool is_woken(void)
{
	struct pollfd p = { .fd = console.wake_fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static bool irq(void)
{
	assert_true(!fake_kvm.irq_changes || fake_kvm.irq.irq == SERIAL_IRQ);
	return fake_kvm.irq.level;
}

static void after_reset(void **state)
{
	(void)state;
	assert_int_equal(in(IER), 0);
	assert_int_equal(in(IIR), 0x01);
	assert_int_equal(in(LCR), 0);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(MSR)&0xb0, 0xb0);
	assert_int_equal(in(DATA), 0);
	assert_int_equal(fake_kvm.irq_changes, 0);
}

static void output(void **state)
{
	char text[4] = "";

	(void)state;
	out(DATA, 'o');
	out(DATA, 'k');
	assert_int_equal(in(LSR)&0x60, 0x60);
	assert_int_equal(written(text, sizeof(text)), 2);
	assert_string_equal(text, "ok");
}

static void divisor_latch(void **state)
{
	char text[4];

	(void)state;
	out(IER, 0x05);
	out(LCR, DLAB | 3);
	out(DATA, 0x34);
	out(IER, 0x12);
	assert_int_equal(in(DATA), 0x34);
	assert_int_equal(in(IER), 0x12);
	out(LCR, 3);
	assert_int_equal(in(IER), 0x05);
	assert_int_equal(written(text, sizeof(text)), 0);
	assert_int_equal(in(LCR), 3);
}

static void register_masks(void **state)
{
	(void)state;
	out(IER, 0xff);
	assert_int_equal(in(IER), 0x0f);
	out(MCR, 0xff);
	assert_int_equal(in(MCR), 0x1f);
	out(SCRATCH, 0xa5);
	assert_int_equal(in(SCRATCH), 0xa5);
	out(LSR, 0);
	assert_int_equal(in(LSR), 0x60);
	out(MCR, 0);
	out(MSR, 0);
	assert_int_equal(in(MSR)&0xb0, 0xb0);
}

static void fifo_bits(void **state)
{
	(void)state;
	assert_int_equal(in(IIR)&0xc0, 0);
	out(FCR, 1);
	assert_int_equal(in(IIR), 0xc1); /* how a 16550A is told from a 16450 */
	out(FCR, 0);
	assert_int_equal(in(IIR), 0x01);
}

static void input(void **state)
{
	(void)state;
	serial_input(&serial, (const uint8_t *)"ab", 2);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'a');
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'b');
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(DATA), 0);
}

static void clearing_the_receiver(void **state)
{
	(void)state;
	serial_input(&serial, (const uint8_t *)"abc", 3);
	out(FCR, 0x03);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(serial_input_room(&serial), SERIAL_RX_BYTES);
}

static void full_receiver(void **state)
{
	uint8_t bytes[SERIAL_RX_BYTES];

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < SERIAL_RX_BYTES; i++)
			bytes[i] = (uint8_t)(i + round);
		assert_int_equal(serial_input_room(&serial), SERIAL_RX_BYTES);
		serial_input(&serial, bytes, sizeof(bytes));
		assert_int_equal(serial_input_room(&serial), 0);
		for (unsigned i = 0; i < SERIAL_RX_BYTES; i++)
			assert_int_equal(in(DATA), bytes[i]);
	}
}

/* The loop that found no room is woken by the read that makes some, once. */
static void room_wakes_the_loop(void **state)
{
	uint8_t bytes[SERIAL_RX_BYTES] = { 0 };
	uint64_t count;

	(void)state;
	serial_input(&serial, bytes, sizeof(bytes));
	in(DATA);
	assert_false(is_woken());
	serial_input(&serial, bytes, 1);
	assert_int_equal(serial_input_room(&serial), 0);
	in(LSR);
	assert_false(is_woken());
	in(DATA);
	assert_true(is_woken());
	assert_int_equal(read(console.wake_fd, &count, sizeof(count)), sizeof(count));
	in(DATA);
	assert_false(is_woken());
}

static void receive_interrupt(void **state)
{
	(void)state;
	out(MCR, OUT2);
	serial_input(&serial, (const uint8_t *)"ab", 2);
	assert_false(irq());
	out(IER, 1);
	assert_true(irq());
	assert_int_equal(in(IIR), 0x04);
	assert_true(irq()); /* reading IIR does not clear this one */
	in(DATA);
	assert_true(irq());
	in(DATA);
	assert_false(irq());
	assert_int_equal(in(IIR), 0x01);
}

static void transmit_interrupt(void **state)
{
	(void)state;
	out(MCR, OUT2);
	out(IER, 2);
	assert_true(irq());
	assert_int_equal(in(IIR), 0x02);
	assert_false(irq()); /* reading IIR clears it */
	assert_int_equal(in(IIR), 0x01);
	out(DATA, 'x');
	assert_true(irq());
	out(IER, 0);
	assert_false(irq());
}

static void receive_goes_before_transmit(void **state)
{
	(void)state;
	out(MCR, OUT2);
	out(IER, 3);
	serial_input(&serial, (const uint8_t *)"a", 1);
	assert_int_equal(in(IIR), 0x04);
	in(DATA);
	assert_int_equal(in(IIR), 0x02);
	assert_int_equal(in(IIR), 0x01);
	assert_false(irq());
}

static void out2_gates_the_line(void **state)
{
	(void)state;
	out(IER, 2);
	assert_int_equal(fake_kvm.irq_changes, 0);
	out(MCR, OUT2);
	assert_true(irq());
	out(MCR, 0);
	assert_false(irq());
	assert_int_equal(fake_kvm.irq_changes, 2);
}

static void loopback(void **state)
{
	char text[4];

	(void)state;
	out(MCR, LOOPBACK);
	out(DATA, 'l');
	assert_int_equal(written(text, sizeof(text)), 0);
	assert_int_equal(in(LSR)&1, 1);
	assert_int_equal(in(DATA), 'l');
	/* DTR, RTS, OUT1, OUT2 come back as DSR, CTS, RI, DCD. */
	for (unsigned bits = 0; bits < 16; bits++) {
		uint8_t expected = (uint8_t)((bits & 1 ? 0x20 : 0) | (bits & 2 ? 0x10 : 0) |
					     (bits & 4 ? 0x40 : 0) | (bits & 8 ? 0x80 : 0));

		out(MCR, (uint8_t)(LOOPBACK | bits));
		assert_int_equal(in(MSR)&0xf0, expected);
	}
	out(IER, 2);
	assert_false(irq());
}

static void loopback_overrun(void **state)
{
	(void)state;
	out(MCR, LOOPBACK);
	for (unsigned i = 0; i < SERIAL_RX_BYTES + 5; i++)
		out(DATA, (uint8_t)i);
	for (unsigned i = 0; i < SERIAL_RX_BYTES; i++)
		assert_int_equal(in(DATA), i);
	assert_int_equal(in(LSR)&1, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(after_reset),
		TEST(output),
		TEST(divisor_latch),
		TEST(register_masks),
		TEST(fifo_bits),
		TEST(input),
		TEST(clearing_the_receiver),
		TEST(full_receiver),
		TEST(room_wakes_the_loop),
		TEST(receive_interrupt),
		TEST(transmit_interrupt),
		TEST(receive_goes_before_transmit),
		TEST(out2_gates_the_line),
		TEST(loopback),
		TEST(loopback_overrun),
	};

	return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}
