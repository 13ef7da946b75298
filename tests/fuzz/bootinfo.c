/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes -> physical memory as a loader of any quality may leave it, and what the guest's parsers
 * make of it: they come back with something sound or panic, read nothing beyond the 4 GiB that are
 * mapped, and end.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <setjmp.h>
#include <sys/mman.h>

#include "guest/boot/acpi.h"
#include "guest/boot/bootinfo.h"
#include "guest/cpu/paging.h"
#include "guest/lib/print.h"
#include "shared/pvh_abi.h"

#define MAPPED	    (4ull << 30)
#define UNMAPPED    (1ull << 30) /* on either side */
#define INFO	    0x1000u
#define MAX_PATCHES 64u
#define MAX_READS   100000u
#define MAX_IDS	    8u

static uint8_t *memory;
static unsigned reads; /* places the parsers have gone to */
static jmp_buf after_panic;

/* What to undo. */
static struct patch {
	uint64_t pa;
	size_t bytes;
} patches[MAX_PATCHES];
static unsigned patch_count;

void *fuzz_phys_to_virt(paddr_t pa)
{
	MUST(pa < MAPPED, "the parser goes to %#llx", (unsigned long long)pa);
	MUST(++reads < MAX_READS, "the parser goes on and on");
	return memory + pa;
}

void panic(const char *fmt, ...)
{
	MUST(*fmt, "a panic without a reason");
	longjmp(after_panic, 1);
}

/* Where to write n bytes, which undo() clears; NULL: not in memory, or too many of them. */
static uint8_t *patch(uint64_t pa, size_t n)
{
	if (patch_count == MAX_PATCHES || pa >= MAPPED || n > MAPPED - pa)
		return NULL;
	patches[patch_count++] = (struct patch){ pa, n };
	return memory + pa;
}

static void undo(void)
{
	while (patch_count) {
		patch_count--;
		memset(memory + patches[patch_count].pa, 0, patches[patch_count].bytes);
	}
}

/* Makes `n` bytes sum to 0 by the one at `where`: few inputs would. */
static void fix_checksum(uint64_t pa, size_t n, size_t where)
{
	uint8_t *table = n > where ? patch(pa, n) : NULL, sum = 0;

	for (size_t i = 0; table && i < n; i++)
		sum = (uint8_t)(sum + (i == where ? 0 : table[i]));
	if (table)
		table[where] = (uint8_t)-sum;
}

static uint64_t take_pa(struct input *in)
{
	static const uint64_t near[] = { INFO, 0x400, 0x10000, 0xe0000, 0x100000, MAPPED };
	uint8_t which = take8(in);

	return near[which % (sizeof(near) / sizeof(near[0]))] + (uint64_t)(int16_t)take16(in);
}

/* Some bytes, as often as it says. */
static void take_row(struct input *in, uint64_t pa, size_t n, bool repeated)
{
	uint8_t bytes[UINT8_MAX];

	take(in, bytes, n);
	unsigned times = 1 + (repeated ? take8(in) : 0u);
	uint8_t *row = patch(pa, times * n);

	for (unsigned i = 0; row && i < times; i++)
		memcpy(row + i * n, bytes, n);
}

static void fill(struct input *in)
{
	while (in->left) {
		uint8_t how = take8(in);
		uint64_t pa = take_pa(in);
		size_t n = take8(in);

		switch (how % 4) {
		case 0:
			fix_checksum(pa, 20, 8); /* RSDP */
			break;
		case 1:
			fix_checksum(pa, n, 9); /* any table */
			break;
		default:
			take_row(in, pa, n, how & 1);
		}
	}
}

static void check(const struct boot_info *boot)
{
	uint32_t ids[MAX_IDS] = { 0 }, count;

	MUST(boot->region_count <= BOOT_MAX_REGIONS, "%u regions", boot->region_count);
	for (uint32_t i = 0; i < boot->region_count; i++)
		MUST(boot->region[i].start < boot->region[i].end, "region %u is empty", i);
	MUST(memchr(boot->cmdline, 0, sizeof(boot->cmdline)), "a command line without an end");
	MUST(boot_ram_end(boot) <= DIRECT_MAP_LIMIT, "RAM beyond the direct map");
	count = acpi_cpu_ids(boot->rsdp, ids, MAX_IDS);
	MUST(count <= MAX_IDS, "%u CPUs", count);
	for (uint32_t i = 0; i < count; i++) {
		MUST(ids[i] != UINT32_MAX, "CPU %u has no id", i);
		for (uint32_t j = 0; j < i; j++)
			MUST(ids[i] != ids[j], "CPUs %u and %u are one", i, j);
	}

	paddr_t page = boot_low_page(boot);

	MUST(page && page % PAGE_SIZE == 0 && page < 0xa0000 &&
		     boot_has_ram(boot, page, page + PAGE_SIZE),
	     "low page at %#llx", (unsigned long long)page);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint8_t *all = mmap(NULL, UNMAPPED + MAPPED + UNMAPPED, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)argc;
	(void)argv;
	MUST(all != MAP_FAILED, "address space");
	memory = all + UNMAPPED;
	MUST(!mprotect(memory, MAPPED, PROT_READ | PROT_WRITE), "memory");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t magics[] = { PVH_START_MAGIC, MULTIBOOT_BOOT_MAGIC, 0 };
	static struct boot_info boot; /* setjmp() */
	struct input in = { data, size };
	uint32_t magic = magics[take8(&in) % 3];

	memset(&boot, 0, sizeof(boot));
	reads = 0;
	fill(&in);
	if (!setjmp(after_panic)) {
		boot_info_parse(&boot, magic, INFO);
		check(&boot);
	}
	undo();
	return 0;
}
