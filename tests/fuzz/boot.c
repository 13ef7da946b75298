/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes -> a machine's shape and command line. The VMM puts what a guest boots from into RAM, the
 * guest's own parsers read it, and must find that machine.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <elf.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/boot/acpi.h"
#include "guest/boot/bootinfo.h"
#include "guest/cpu/paging.h"
#include "guest/lib/print.h"
#include "shared/pvh_abi.h"
#include "vmm/boot.h"
#include "vmm/machine.h"

#define KERNEL	 0x100000u
#define LOW_MIN	 (KERNEL + 0x1000u)
#define RESERVED 0xa0000u /* to KERNEL: no RAM for the guest */
#define LOADED	 0xe0000u /* from here to KERNEL: what the VMM tells the guest */

#define KERNEL_BYTES 16u
#define APPEND_MAX   5000u
#define SUFFIX_MAX   64u /* what the VMM adds to the command line */

static struct machine machine;
static struct vcpu boot_vcpu;
static struct kvm_run run;
static char kernel_path[64];

/* The smallest file that boot_load() takes. */
static const struct kernel_file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	struct {
		Elf64_Nhdr header;
		char name[4];
		uint32_t entry;
	} note;
} kernel_file = {
	.eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_phoff = offsetof(struct kernel_file, ph),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2 },
	.ph = { { .p_type = PT_LOAD,
		  .p_paddr = KERNEL,
		  .p_filesz = KERNEL_BYTES,
		  .p_memsz = KERNEL_BYTES },
		{ .p_type = PT_NOTE,
		  .p_offset = offsetof(struct kernel_file, note),
		  .p_filesz = sizeof(((struct kernel_file *)0)->note) } },
	.note = { { sizeof("Xen"), sizeof(uint32_t), PVH_NOTE_TYPE }, "Xen", KERNEL },
};

int machine_ioctl_named(struct machine *m, int fd, unsigned long request, const char *name,
			void *arg)
{
	(void)m;
	(void)fd;
	if (request == KVM_SET_REGS)
		run.s.regs.regs = *(const struct kvm_regs *)arg;
	else
		MUST(request == KVM_GET_SREGS || request == KVM_SET_SREGS, "ioctl %s", name);
	return 0;
}

void *fuzz_phys_to_virt(paddr_t pa)
{
	void *p = gmem_ptr(&machine.mem, pa, 1);

	MUST(p, "the guest's parser goes to %#llx", (unsigned long long)pa);
	return p;
}

static jmp_buf after_panic;

void panic(const char *fmt, ...)
{
	MUST(strstr(fmt, "command line longer"), "the guest panics: %s", fmt);
	longjmp(after_panic, 1);
}

static void check_regions(const struct boot_info *boot)
{
	const struct boot_region ram[] = { { 0, RESERVED, true },
					   { KERNEL, machine.mem.low, true },
					   { GMEM_HOLE_END, GMEM_HOLE_END + machine.mem.high,
					     true } };
	unsigned found = 0;

	for (uint32_t i = 0; i < boot->region_count; i++) {
		const struct boot_region *r = &boot->region[i];

		if (!r->ram)
			continue;
		MUST(found < 3 && r->start == ram[found].start && r->end == ram[found].end,
		     "RAM from %#llx to %#llx", (unsigned long long)r->start,
		     (unsigned long long)r->end);
		found++;
	}
	MUST(found == (machine.mem.high ? 3 : 2), "%u parts of RAM", found);

	paddr_t page = boot_low_page(boot);

	MUST(page && page % 4096 == 0 && page + 4096 <= RESERVED, "low page at %#llx",
	     (unsigned long long)page);
	MUST(boot_ram_end(boot) == (machine.mem.high ? ram[2].end : ram[1].end), "RAM's end");
	MUST(!boot_has_ram(boot, RESERVED, KERNEL), "RAM where the tables are");
}

static void check_cpus(const struct boot_info *boot)
{
	uint32_t ids[MACHINE_MAX_VCPUS + 1];
	uint32_t count = acpi_cpu_ids(boot->rsdp, ids, MACHINE_MAX_VCPUS + 1);

	MUST(count == machine.vcpu_count, "%u CPUs of %u", count, machine.vcpu_count);
	for (uint32_t i = 0; i < count; i++)
		MUST(ids[i] == i, "CPU %u has id %u", i, ids[i]);
}

static void check_cmdline(const struct boot_info *boot, const char *append)
{
	const char *rest = boot->cmdline + strlen(append);

	MUST(!strncmp(boot->cmdline, append, strlen(append)), "another command line");
	MUST(!strncmp(rest, " harness=0x510 exit=0xf4", 24), "no harness: %s", rest);
	MUST(strstr(boot->cmdline, "backend="), "no backend: %s", boot->cmdline);
}

/* The boot structures lie where nobody's RAM is, and the kernel's 16 bytes at its start. */
static void check_ram(void)
{
	static const uint8_t zeros[KERNEL];
	const uint8_t *ram = machine.mem.base;

	MUST(!memcmp(ram, zeros, LOADED), "memory below the tables");
	MUST(!memcmp(ram + KERNEL, &kernel_file, KERNEL_BYTES), "the kernel's bytes");
	for (size_t at = KERNEL + KERNEL_BYTES, end = machine.mem.low + machine.mem.high;
	     at < end;) {
		size_t n = end - at < sizeof(zeros) ? end - at : sizeof(zeros);

		MUST(!memcmp(ram + at, zeros, n), "memory beyond the kernel");
		at += n;
	}
}

static void boot_guest(const char *append)
{
	static struct boot_info boot;

	memset(&boot, 0, sizeof(boot));
	if (setjmp(after_panic)) {
		MUST(strlen(append) + SUFFIX_MAX >= BOOT_CMDLINE_MAX, "%zu bytes are too long",
		     strlen(append));
		return;
	}
	boot_info_parse(&boot, PVH_START_MAGIC, run.s.regs.regs.rbx);
	check_cmdline(&boot, append);
	check_regions(&boot);
	check_cpus(&boot);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd = memfd_create("kernel", 0);

	(void)argc;
	(void)argv;
	MUST(fd >= 0 && write(fd, &kernel_file, sizeof(kernel_file)) == sizeof(kernel_file),
	     "the kernel file");
	snprintf(kernel_path, sizeof(kernel_path), "/proc/self/fd/%d", fd);
	machine.vcpus = &boot_vcpu;
	boot_vcpu.run = &run;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct machine_options options = { .kernel = kernel_path };
	size_t low = LOW_MIN + take8(&in) % 4 * 0x1000ul, high = take8(&in) % 4 * 0x1000ul;
	char append[APPEND_MAX] = "";

	machine.options = &options;
	machine.has_verdict = false;
	machine.vcpu_count = 1 + take16(&in) % MACHINE_MAX_VCPUS;
	options.flush = take8(&in) % (HF_BACKEND_COUNT + 1);
	size_t fill = take16(&in) % APPEND_MAX; /* long lines from short inputs */
	memset(append, 'x', fill);
	take(&in, append, in.left < sizeof(append) - 1 ? in.left : sizeof(append) - 1);
	options.append = append;
	ram_shape(&machine.mem, low, high);

	if (boot_load(&machine)) {
		MUST(machine.has_verdict && machine.status == RUN_BAD_INPUT, "status %d",
		     machine.status);
		MUST(strlen(append) + SUFFIX_MAX >= 4096, "refused: %s", machine.reason);
		return 0;
	}
	MUST(!machine.has_verdict && machine.entry == KERNEL, "entry %#x", machine.entry);
	MUST(!boot_set_registers(&machine) && run.s.regs.regs.rip == KERNEL, "registers");
	check_ram();
	boot_guest(append);
	return 0;
}
