/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes -> a kernel file. What the loader takes keeps the promises of vmm/elf.h, and RAM is
 * afterwards what the file's own program headers say.
 */
#include <elf.h>

#include "fuzz.h"
#include "vmm/elf.h"

#define RAM_LOW	 0x10000u
#define RAM_HIGH 0x4000u
#define RAM_ALL	 (RAM_LOW + RAM_HIGH)

static struct gmem mem;
static uint8_t expected[RAM_ALL];

static void check_image(const struct elf_image *image, size_t size)
{
	bool entry_inside = false;

	MUST(image->segment_count <= ELF_MAX_SEGMENTS, "%u segments", image->segment_count);
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];

		MUST((unsigned __int128)s->offset + s->file_bytes <= size,
		     "segment %u is not in the file", i);
		MUST(s->file_bytes <= s->mem_bytes, "segment %u is larger in the file", i);
		MUST(s->gpa + s->mem_bytes >= s->gpa, "segment %u wraps", i);
		entry_inside |= image->entry - s->gpa < s->mem_bytes;
	}
	MUST(entry_inside, "the entry is in no segment");
}

/* RAM as the file's headers want it. */
static void load_by_headers(const uint8_t *file)
{
	struct gmem image = mem;
	Elf64_Ehdr eh;

	image.base = expected;
	memcpy(&eh, file, sizeof(eh));
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, file + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_LOAD || !ph.p_memsz)
			continue;
		MUST(gmem_ptr(&image, ph.p_paddr, ph.p_memsz), "program header %u is not in RAM",
		     i);
		gmem_write(&image, ph.p_paddr, file + ph.p_offset, ph.p_filesz);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	ram_shape(&mem, RAM_LOW, RAM_HIGH);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_image image;
	const char *wrong = elf_parse(data, size, &image);

	if (wrong) {
		MUST(*wrong, "refused without a reason");
		return 0;
	}
	check_image(&image, size);
	wrong = elf_load(&image, data, &mem);
	if (!wrong) {
		load_by_headers(data);
		MUST(!memcmp(expected, mem.base, RAM_ALL), "RAM is not what the file says");
		memset(expected, 0, RAM_ALL);
	}
	memset(mem.base, 0, RAM_ALL);
	return 0;
}
