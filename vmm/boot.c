/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acpi.h"
#include "backend.h"
#include "elf.h"
#include "machine.h"
#include "shared/pvh_abi.h"

#define LOW_RAM_END   0xa0000ull
#define ACPI_GPA      0xe0000ull
#define ACPI_BYTES    0x10000u
#define START_GPA     0xf0000ull
#define MEMMAP_GPA    0xf0100ull
#define CMDLINE_GPA   0xf1000ull
#define CMDLINE_BYTES 4096u
#define KERNEL_GPA    0x100000ull

#define MAX_KERNEL_BYTES (256u << 20)

static int bad_kernel(struct machine *m, const char *why)
{
	machine_stop(m, RUN_BAD_INPUT, "%s: %s", m->options->kernel, why);
	return -EINVAL;
}

/* The whole file, malloc'ed. NULL after machine_stop(). */
static void *read_file(struct machine *m, size_t *len)
{
	int fd = open(m->options->kernel, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	uint8_t *bytes = NULL;
	size_t got = 0;

	if (fd < 0 || fstat(fd, &st)) {
		bad_kernel(m, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_KERNEL_BYTES) {
		bad_kernel(m, "not a regular file of at most 256 MiB");
		goto out;
	}
	*len = (size_t)st.st_size;
	bytes = malloc(*len ? *len : 1);
	while (bytes && got < *len) {
		ssize_t n = read(fd, bytes + got, *len - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	if (bytes && got < *len) {
		bad_kernel(m, "cannot be read whole");
		free(bytes);
		bytes = NULL;
	}
out:
	if (fd >= 0)
		close(fd);
	return bytes;
}

static int load_kernel(struct machine *m, const void *file, size_t len)
{
	struct elf_image image;
	const char *wrong = elf_parse(file, len, &image);

	for (unsigned i = 0; !wrong && i < image.segment_count; i++)
		if (image.segments[i].gpa < KERNEL_GPA)
			wrong = "a segment lies below 1 MiB";
	if (!wrong)
		wrong = elf_load(&image, file, &m->mem);
	if (wrong)
		return bad_kernel(m, wrong);
	m->entry = image.entry;
	return 0;
}

/* Text of the guest's command line; the guest finds the harness by it. */
static int put_cmdline(struct machine *m)
{
	const char *append = m->options->append ? m->options->append : "";
	bool has_backend = !strncmp(append, "backend=", 8) || strstr(append, " backend=");
	char text[CMDLINE_BYTES];
	int n = snprintf(text, sizeof(text), "%s harness=%#x exit=%#x%s%s", append, HARNESS_PORT,
			 HARNESS_EXIT_PORT, has_backend ? "" : " backend=",
			 has_backend ? "" : backend_name(m->options->flush));

	if (n >= (int)sizeof(text)) {
		machine_stop(m, RUN_BAD_INPUT, "the command line is longer than %u bytes",
			     CMDLINE_BYTES - 1);
		return -E2BIG;
	}
	return gmem_write(&m->mem, CMDLINE_GPA, text, (size_t)n + 1);
}

static int put_start_info(struct machine *m)
{
	const struct pvh_memmap_entry map[] = {
		{ 0, LOW_RAM_END, PVH_MEMMAP_RAM, 0 },
		{ ACPI_GPA, KERNEL_GPA - ACPI_GPA, PVH_MEMMAP_RESERVED, 0 },
		{ KERNEL_GPA, m->mem.low - KERNEL_GPA, PVH_MEMMAP_RAM, 0 },
		{ GMEM_HOLE_END, m->mem.high, PVH_MEMMAP_RAM, 0 },
	};
	const struct pvh_start_info start = {
		.magic = PVH_START_MAGIC,
		.version = 1,
		.cmdline_paddr = CMDLINE_GPA,
		.rsdp_paddr = ACPI_GPA,
		.memmap_paddr = MEMMAP_GPA,
		.memmap_entries = m->mem.high ? 4 : 3,
	};

	if (gmem_write(&m->mem, MEMMAP_GPA, map, sizeof(map)))
		return -EFAULT;
	return gmem_write(&m->mem, START_GPA, &start, sizeof(start));
}

int boot_load(struct machine *m)
{
	size_t len = 0;
	void *file = read_file(m, &len);

	if (!file)
		return -EINVAL;
	int r = load_kernel(m, file, len);
	free(file);
	if (!r)
		r = put_cmdline(m);
	if (!r)
		r = put_start_info(m);
	if (r)
		return r;
	void *acpi = gmem_ptr(&m->mem, ACPI_GPA, ACPI_BYTES);
	if (!acpi || !acpi_build(acpi, ACPI_BYTES, ACPI_GPA, m->vcpu_count))
		return machine_failed(m, "ACPI tables", -E2BIG);
	return 0;
}

static struct kvm_segment flat(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){ .limit = UINT32_MAX,
				     .selector = selector,
				     .type = type,
				     .present = 1,
				     .db = 1,
				     .s = 1,
				     .g = 1 };
}

int boot_set_registers(struct machine *m)
{
	struct vcpu *v = &m->vcpus[0];
	struct kvm_regs regs = { .rip = m->entry, .rbx = START_GPA, .rflags = 2 };
	struct kvm_sregs *sregs = &v->run->s.regs.sregs;
	int r = machine_ioctl(m, v->fd, KVM_GET_SREGS, sregs);

	if (r)
		return r;
	/* Protected mode without paging, flat segments; types: SDM vol 3A 3.4.5.1, 3.5. */
	sregs->cr0 = 1;
	sregs->cr4 = 0;
	sregs->cs = flat(0x08, 0xb);
	sregs->ds = sregs->es = sregs->ss = sregs->fs = sregs->gs = flat(0x10, 0x3);
	sregs->tr = (struct kvm_segment){ .limit = 0x67, .type = 0xb, .present = 1 };
	r = machine_ioctl(m, v->fd, KVM_SET_SREGS, sregs);
	if (r)
		return r;
	return machine_ioctl(m, v->fd, KVM_SET_REGS, &regs);
}
