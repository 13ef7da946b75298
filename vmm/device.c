/* SPDX-License-Identifier: BSD-2-Clause */
#include "device.h"

#include <stdbool.h>
#include <string.h>

#include "harness.h"
#include "machine.h"
#include "serial.h"
#include "service.h"

/* One access; `value` goes to the device or, when it was all ones before, comes from it. */
struct access {
	unsigned offset; /* from the device's first port */
	bool out;
	uint32_t value;
};

static int serial_access(struct vcpu *v, struct access *a)
{
	if (a->out)
		serial_write(&v->machine->serial, a->offset, (uint8_t)a->value);
	else
		a->value = serial_read(&v->machine->serial, a->offset);
	return 0;
}

static int service_access(struct vcpu *v, struct access *a)
{
	return a->out ? service_hyperflush(v) : 0;
}

static int harness_access(struct vcpu *v, struct access *a)
{
	return a->out ? harness_out(v, a->value) : 0;
}

static int exit_access(struct vcpu *v, struct access *a)
{
	if (!a->out)
		return 0;
	switch (a->value) {
	case HARNESS_EXIT_PASS:
		machine_stop(v->machine, RUN_PASSED, "%s", "");
		break;
	case HARNESS_EXIT_FAIL:
		machine_stop(v->machine, RUN_FAILED, "the guest reports failure");
		break;
	case HARNESS_EXIT_PANIC:
		machine_stop(v->machine, RUN_CRASHED, "the guest panicked");
		break;
	default:
		machine_stop(v->machine, RUN_FAILED, "the guest ended with unknown verdict %u",
			     a->value);
	}
	return 0;
}

/* A device takes accesses of one size only; the hot one comes first. */
static const struct {
	unsigned first, count, size;
	const char *name;
	int (*access)(struct vcpu *v, struct access *a);
} devices[] = {
	{ SERVICE_PORT, 1, 4, "flush service", service_access },
	{ SERIAL_PORT, SERIAL_PORTS, 1, "serial", serial_access },
	{ HARNESS_PORT, 1, 4, "harness", harness_access },
	{ HARNESS_EXIT_PORT, 1, 1, "exit", exit_access },
};

static int one_access(struct vcpu *v, unsigned port, unsigned size, struct access *a)
{
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (port - devices[i].first >= devices[i].count || size != devices[i].size)
			continue;
		a->offset = port - devices[i].first;
		return devices[i].access(v, a);
	}
	counter_inc(&v->counters.unknown_ports);
	return 0;
}

int device_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned size = run->io.size;

	/* String instructions bring several accesses in one exit. */
	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		struct access a = { .out = run->io.direction == KVM_EXIT_IO_OUT,
				    .value = UINT32_MAX };

		if (a.out) {
			a.value = 0;
			memcpy(&a.value, data, size);
		}
		int r = one_access(v, run->io.port, size, &a);
		if (r)
			return r;
		if (!a.out)
			memcpy(data, &a.value, size);
	}
	return 0;
}
