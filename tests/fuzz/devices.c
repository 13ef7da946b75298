/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes -> accesses to ports and to addresses without RAM, of each size and direction, by string
 * instructions too, and input from the host. The 16550 is compared with a model of what is simple
 * in it; the harness may write its page and nothing else; nothing but the exit port ends the run.
 */
#include "machine_fixture.h"

#include "tests/unit/fake_kvm.h"
#include "vmm/harness.h"
#include "vmm/service.h"

#define MAX_STEPS   64u
#define HOST_CPUS   8u
#define DLAB	    0x80u
#define LOOPBACK    0x10u
#define MAX_RECORDS 3u

extern unsigned host_refuses; /* host.c: of every so many threads one; 0: none */

static struct harness harness;
static struct machine_options options = { .harness = &harness };
static unsigned records;

/* The registers that only hold what was written to them, and what is said on the line. */
static struct line {
	uint8_t dll, dlm, ier, lcr, mcr, scratch;
	uint8_t said[PIO_BYTES];
	size_t said_count;
} line;

static void line_write(unsigned reg, uint8_t value)
{
	switch (reg) {
	case 0:
		if (line.lcr & DLAB)
			line.dll = value;
		else if (!(line.mcr & LOOPBACK))
			line.said[line.said_count++] = value;
		break;
	case 1:
		*(line.lcr & DLAB ? &line.dlm : &line.ier) = line.lcr & DLAB ? value : value & 0xf;
		break;
	case 3:
		line.lcr = value;
		break;
	case 4:
		line.mcr = value & 0x1f;
		break;
	case 7:
		line.scratch = value;
		break;
	default:
		break;
	}
}

static void line_read(unsigned reg, uint8_t value)
{
	const uint8_t held[] = { [1] = line.lcr & DLAB ? line.dlm : line.ier,
				 [3] = line.lcr,
				 [4] = line.mcr,
				 [7] = line.scratch };

	switch (reg) {
	case 0:
		MUST(!(line.lcr & DLAB) || value == line.dll, "the divisor reads %#x", value);
		break;
	case 2:
		MUST(!(value & 0x30), "IIR reads %#x", value);
		break;
	case 5:
		MUST((value & ~1) == 0x60, "LSR reads %#x", value);
		break;
	case 6:
		MUST((line.mcr & LOOPBACK) || value == 0xb0, "MSR reads %#x", value);
		break;
	default:
		MUST(value == held[reg], "register %u reads %#x, not %#x", reg, value, held[reg]);
	}
}

static void check_line(void)
{
	const struct serial *s = &machine.serial;
	uint8_t heard[PIO_BYTES];
	size_t n = console_take(&machine.console, heard, sizeof(heard));

	MUST(n == line.said_count && !memcmp(heard, line.said, n), "the console has other bytes");
	MUST(s->rx_head - s->rx_tail <= SERIAL_RX_BYTES, "the receive FIFO overflows");
	MUST(!fake_kvm.irq_changes ||
		     (fake_kvm.irq.irq == SERIAL_IRQ && fake_kvm.irq.level == s->irq_level),
	     "interrupt line %u at %u", fake_kvm.irq.irq, fake_kvm.irq.level);
	line.said_count = 0;
}

static bool terminated(const char *text, size_t size)
{
	return memchr(text, 0, size);
}

/* Like that of `hyperflush bench`: it trusts the arguments. */
static int keep(void *ctx, const struct harness_record *record, const struct harness_place *place,
		const struct harness_sample *samples, uint32_t count, uint32_t tsc_khz)
{
	uint64_t sum = tsc_khz;

	(void)ctx;
	MUST(terminated(record->suite, sizeof(record->suite)) &&
		     terminated(record->name, sizeof(record->name)) &&
		     terminated(record->backend, sizeof(record->backend)),
	     "a name without an end");
	MUST(place->placement == record->placement && place->cpus && place->cpus <= HOST_CPUS,
	     "a record of a placement that is not in force");
	MUST(count <= record->sample_count, "more samples than the guest has sent");
	for (uint32_t i = 0; i < count; i++)
		sum += samples[i].ticks + samples[i].waited_ticks;
	*(volatile uint64_t *)&sum = sum;
	return records++ < MAX_RECORDS ? HARNESS_EOK : HARNESS_ENOSPC;
}

static void keep_refusal(void *ctx, const struct harness_place *place, const char *reason)
{
	(void)ctx;
	(void)place;
	MUST(*reason, "refused without a reason");
}

/* Of RAM, the requests' pages alone may differ from `before`, and those only in what is a reply. */
static void check_harness(const uint8_t *before, const uint8_t *values, unsigned count)
{
	static uint8_t expected[RAM_ALL];
	struct gmem image = machine.mem;
	struct harness_page page;

	memcpy(expected, before, RAM_ALL);
	image.base = expected;
	for (unsigned i = 0; i < count; i++) {
		uint32_t gpa, op;

		memcpy(&gpa, values + i * sizeof(gpa), sizeof(gpa));
		if (gmem_read(&image, gpa, &op, sizeof(op)) ||
		    gmem_read(&machine.mem, gpa, &page, sizeof(page)))
			continue;
		MUST(count > 1 || (page.op == op && page.status <= HARNESS_EOK &&
				   page.status >= HARNESS_ENOSPC),
		     "request %u: reply to %u with status %d", op, page.op, page.status);
		MUST(count > 1 || terminated(page.text, sizeof(page.text)), "a text without end");
		MUST(count > 1 || !page.status == !page.text[0], "status %d, reason %.16s",
		     page.status, page.text);
		gmem_write(&image, gpa, &page, sizeof(page));
	}
	MUST(!memcmp(expected, machine.mem.base, RAM_ALL), "memory besides the harness pages");
	MUST(!pthread_mutex_trylock(&harness.lock), "the harness keeps its lock");
	pthread_mutex_unlock(&harness.lock);
}

static unsigned take_port(struct input *in)
{
	static const uint16_t devices[] = { HARNESS_PORT, HARNESS_EXIT_PORT, SERVICE_PORT };
	uint8_t which = take8(in);

	if (which < 0xc0)
		return SERIAL_PORT + which % SERIAL_PORTS;
	return which < 0xf0 ? devices[which % 3] : take16(in);
}

static void check_exit_port(const struct machine *m, bool had_verdict, uint8_t value)
{
	static const int verdicts[] = { [HARNESS_EXIT_PASS] = RUN_PASSED,
					[HARNESS_EXIT_FAIL] = RUN_FAILED,
					[HARNESS_EXIT_PANIC] = RUN_CRASHED };

	MUST(m->has_verdict, "the exit port does not end the run");
	MUST(had_verdict || m->status == (value < 3 ? verdicts[value] : RUN_FAILED),
	     "verdict %u ends the run with %d", value, m->status);
}

static void step_port(struct input *in)
{
	static uint8_t before[RAM_ALL], data[PIO_BYTES];
	unsigned vcpu = take8(in) % VCPUS, port = take_port(in), how = take8(in);
	unsigned size = 1u << how % 3, count = 1 + (how >> 3 == 0x1f ? take8(in) * 16 / size : 0);
	bool out = how & 4, had_verdict = machine.has_verdict;
	bool serial = size == 1 && port - SERIAL_PORT < SERIAL_PORTS;
	uint8_t *pio;

	if (count > PIO_BYTES / size)
		count = PIO_BYTES / size;
	memset(data, 0x5a, sizeof(data));
	if (out)
		take(in, data, (size_t)size * count);
	pio = fixture_port_exit(vcpu, port, out, size, count);
	memcpy(pio, data, (size_t)size * count);
	memcpy(before, machine.mem.base, RAM_ALL);
	for (unsigned i = 0; serial && out && i < count; i++)
		line_write(port - SERIAL_PORT, data[i]);
	thread_handle(vcpu);
	for (unsigned i = 0; serial && !out && i < count; i++)
		line_read(port - SERIAL_PORT, pio[i]);
	for (unsigned i = 0; !serial && !out && i < size * count; i++)
		MUST(pio[i] == 0xff, "port %#x reads %#x", port, pio[i]);
	MUST(!out || !memcmp(pio, data, (size_t)size * count), "an OUT changes its data");
	check_line();
	if (out && size == 1 && port == HARNESS_EXIT_PORT)
		check_exit_port(&machine, had_verdict, data[0]);
	else
		MUST(machine.has_verdict == had_verdict, "port %#x ends the run", port);
	check_harness(before, data, out && size == 4 && port == HARNESS_PORT ? count : 0);
}

static void step_mmio(struct input *in)
{
	struct vcpu *v = &machine.vcpus[take8(in) % VCPUS];
	uint64_t unknown = counter_read(&v->counters.unknown_mmio);
	bool had_verdict = machine.has_verdict;

	v->run->exit_reason = KVM_EXIT_MMIO;
	v->run->mmio.is_write = take8(in) & 1;
	v->run->mmio.len = 1u << take8(in) % 4;
	v->run->mmio.phys_addr = take_gpa(in, &machine.mem);
	memset(v->run->mmio.data, 0x5a, sizeof(v->run->mmio.data));
	thread_handle(v->index);
	MUST(v->run->mmio.data[0] == (v->run->mmio.is_write ? 0x5a : 0xff), "MMIO reads %#x",
	     v->run->mmio.data[0]);
	MUST(counter_read(&v->counters.unknown_mmio) == unknown + 1, "MMIO is not counted");
	MUST(machine.has_verdict == had_verdict, "MMIO ends the run");
}

static void step_input(struct input *in)
{
	uint8_t bytes[UINT8_MAX];
	size_t room = serial_input_room(&machine.serial), n = take8(in);

	n = n < room ? n : room;
	take(in, bytes, n);
	serial_input(&machine.serial, bytes, n);
	check_line();
}

static void step_store(struct input *in)
{
	take_patch(in, &machine.mem, take_gpa(in, &machine.mem));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fixture_create();
	machine.options = &options;
	MUST(!console_create(&machine.console), "the console");
	for (unsigned i = 0; i < VCPUS; i++)
		machine.vcpus[i].stats_fd = -1;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct input *) = { step_port, step_port, step_mmio,
							 step_input, step_store };
	struct input in = { data, size };
	uint8_t shape = take8(&in);

	fixture_reset(1u << HF_BACKEND_HYPERFLUSH);
	host_refuses = shape & 7;
	machine.stats.irq_injections = shape & 8 ? -1 : 0;
	for (unsigned i = 0; i < VCPUS; i++)
		atomic_store(&machine.vcpus[i].tid, shape & 16 && i == VCPUS - 1 ? 0 : (int)i + 1);
	MUST(!harness_init(&harness), "the harness");
	harness.placement.cpu_count = HOST_CPUS;
	harness.record = shape & 32 ? NULL : keep;
	harness.refused = shape & 64 ? NULL : keep_refusal;
	serial_create(&machine.serial, &machine.console, shape & 128 ? -1 : 0);
	line = (struct line){ .dll = 1 };
	fake_kvm.irq_changes = records = 0;
	for (unsigned i = 0; in.left && i < MAX_STEPS; i++)
		steps[take8(&in) % (sizeof(steps) / sizeof(steps[0]))](&in);
	serial_destroy(&machine.serial);
	harness_destroy(&harness);
	return 0;
}
