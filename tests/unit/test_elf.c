/* SPDX-License-Identifier: BSD-2-Clause */
/* vmm/elf.c on images made here: one good one, and what can be wrong with it. */
#include "unit.h"

#include <elf.h>
#include <string.h>

#include "shared/pvh_abi.h"
#include "vmm/elf.h"
#include "vmm/gmem.h"

#define LOAD_GPA    0x100000u
#define CODE_BYTES  64u
#define MEM_BYTES   256u /* with .bss */
#define MAX_HEADERS 20u
#define RAM_BYTES   (4u << 20)

struct note {
	Elf64_Nhdr header;
	char name[4];
	uint8_t desc[8];
};

/* An image as it lies in a file. */
struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[MAX_HEADERS];
	struct note notes[2];
	uint8_t code[CODE_BYTES];
};

enum { CODE, NOTE };

static struct image good(void)
{
	struct image f = {
		.eh = { .e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_phoff = offsetof(struct image, ph),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2 },
		.ph = { [CODE] = { .p_type = PT_LOAD,
				   .p_offset = offsetof(struct image, code),
				   .p_vaddr = 0xffffffff80000000ull + LOAD_GPA,
				   .p_paddr = LOAD_GPA,
				   .p_filesz = CODE_BYTES,
				   .p_memsz = MEM_BYTES },
			[NOTE] = { .p_type = PT_NOTE,
				   .p_offset = offsetof(struct image, notes),
				   .p_filesz = sizeof(struct note) } },
	};
	const uint32_t entry = LOAD_GPA + 16;

	memcpy(f.eh.e_ident, ELFMAG, SELFMAG);
	f.eh.e_ident[EI_CLASS] = ELFCLASS64;
	f.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	f.eh.e_ident[EI_VERSION] = EV_CURRENT;
	for (unsigned i = 0; i < COUNT_OF(f.notes); i++) {
		f.notes[i].header = (Elf64_Nhdr){ sizeof("Xen"), sizeof(entry), PVH_NOTE_TYPE };
		memcpy(f.notes[i].name, "Xen", sizeof("Xen"));
		memcpy(f.notes[i].desc, &entry, sizeof(entry));
	}
	memset(f.code, 0x90, sizeof(f.code));
	return f;
}

/* Parses the first `len` bytes, in a block of exactly that size for ASan. */
static const char *parse_bytes(const void *bytes, size_t len, struct elf_image *image)
{
	uint8_t *block = test_malloc(len + 1);

	memcpy(block + 1, bytes, len); /* unaligned besides */
	const char *wrong = elf_parse(block + 1, len, image);

	test_free(block);
	return wrong;
}

static const char *parse(const struct image *f)
{
	struct elf_image image;

	return parse_bytes(f, sizeof(*f), &image);
}

static void good_image(void **state)
{
	struct image f = good();
	struct elf_image image;

	(void)state;
	assert_null(parse_bytes(&f, sizeof(f), &image));
	assert_int_equal(image.entry, LOAD_GPA + 16);
	assert_int_equal(image.segment_count, 1);
	assert_int_equal(image.segments[0].gpa, LOAD_GPA);
	assert_int_equal(image.segments[0].file_bytes, CODE_BYTES);
	assert_int_equal(image.segments[0].mem_bytes, MEM_BYTES);
}

/* Cut anywhere: never a crash, and no success unless only unused bytes are missing. */
static void truncated(void **state)
{
	struct image f = good();
	struct elf_image image;

	(void)state;
	for (size_t len = 0; len < sizeof(f); len++)
		assert_non_null(parse_bytes(&f, len, &image));
}

static void wrong_header(void **state)
{
	struct image f;

	(void)state;
	for (unsigned i = 0; i < SELFMAG; i++) {
		f = good();
		f.eh.e_ident[i] ^= 1;
		assert_non_null(parse(&f));
	}
	f = good();
	f.eh.e_ident[EI_CLASS] = ELFCLASS32;
	assert_non_null(parse(&f));
	f = good();
	f.eh.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_non_null(parse(&f));
	f = good();
	f.eh.e_machine = EM_AARCH64;
	assert_non_null(parse(&f));
	f = good();
	f.eh.e_machine = EM_386;
	assert_non_null(parse(&f));
	f = good();
	f.eh.e_type = ET_DYN;
	assert_non_null(parse(&f));
	f = good();
	f.eh.e_type = ET_REL;
	assert_non_null(parse(&f));
	f = good();
	f.eh.e_phentsize = sizeof(Elf32_Phdr);
	assert_non_null(parse(&f));
	f = good();
	f.eh.e_phentsize = 0;
	assert_non_null(parse(&f));
}

static void program_headers_beyond_the_file(void **state)
{
	static const uint64_t offsets[] = { sizeof(struct image) - 1,
					    sizeof(struct image),
					    1ull << 32,
					    UINT64_MAX,
					    UINT64_MAX - 63,
					    1ull << 63 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(offsets); i++) {
		struct image f = good();

		f.eh.e_phoff = offsets[i];
		assert_non_null(parse(&f));
	}
	struct image f = good();

	f.eh.e_phnum = UINT16_MAX;
	assert_non_null(parse(&f));
	f.eh.e_phnum = 0;
	assert_non_null(parse(&f));
}

static void segment_beyond_the_file(void **state)
{
	static const struct {
		uint64_t offset, bytes;
	} cases[] = {
		{ sizeof(struct image) - 1, 2 },
		{ sizeof(struct image), 1 },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX, 2 },
		{ UINT64_MAX - 1, CODE_BYTES },
		{ 1, UINT64_MAX },
		{ 0, sizeof(struct image) + 1 },
		{ 1ull << 63, 1ull << 63 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct image load = good(), note = good();

		load.ph[CODE].p_offset = cases[i].offset;
		load.ph[CODE].p_filesz = load.ph[CODE].p_memsz = cases[i].bytes;
		load.ph[CODE].p_paddr = 0;
		assert_non_null(parse(&load));
		note.ph[NOTE].p_offset = cases[i].offset;
		note.ph[NOTE].p_filesz = cases[i].bytes;
		assert_non_null(parse(&note));
	}
}

static void segment_larger_in_the_file(void **state)
{
	struct image f = good();

	(void)state;
	f.ph[CODE].p_memsz = CODE_BYTES - 1;
	assert_non_null(parse(&f));
	f.ph[CODE].p_memsz = CODE_BYTES;
	assert_null(parse(&f));
}

static void address_wraps(void **state)
{
	struct image f = good();

	(void)state;
	f.ph[2] = f.ph[CODE];
	f.eh.e_phnum = 3;
	assert_null(parse(&f));
	f.ph[2].p_paddr = UINT64_MAX - MEM_BYTES + 2;
	assert_non_null(parse(&f));
	f.ph[2].p_memsz = UINT64_MAX;
	f.ph[2].p_paddr = LOAD_GPA;
	assert_non_null(parse(&f));
}

static void number_of_segments(void **state)
{
	struct image f = good();
	struct elf_image image;

	(void)state;
	f.eh.e_phnum = ELF_MAX_SEGMENTS + 1;
	for (unsigned i = 2; i < MAX_HEADERS; i++)
		f.ph[i] = f.ph[CODE];
	assert_null(parse_bytes(&f, sizeof(f), &image));
	assert_int_equal(image.segment_count, ELF_MAX_SEGMENTS);
	f.eh.e_phnum++;
	assert_non_null(parse(&f));
	f.ph[2].p_filesz = f.ph[2].p_memsz = 0; /* an empty one does not count */
	assert_null(parse(&f));
	f.ph[3].p_type = PT_GNU_STACK; /* nor does one of another type */
	f.ph[3].p_offset = UINT64_MAX;
	assert_null(parse(&f));
}

static void no_pvh_note(void **state)
{
	struct image f = good();

	(void)state;
	f.eh.e_phnum = 1;
	assert_non_null(parse(&f));
	f = good();
	f.notes[0].header.n_type = PVH_NOTE_TYPE - 1;
	assert_non_null(parse(&f));
	f = good();
	memcpy(f.notes[0].name, "Xem", sizeof("Xem"));
	assert_non_null(parse(&f));
	f = good();
	f.notes[0].header.n_namesz = 3;
	assert_non_null(parse(&f));
	f = good();
	f.notes[0].header.n_descsz = 2;
	assert_non_null(parse(&f));
	f = good();
	f.ph[NOTE].p_filesz = 0;
	assert_non_null(parse(&f));
}

static void pvh_note_after_another(void **state)
{
	struct image f = good();

	(void)state;
	f.notes[0].header.n_type = 1;
	f.notes[0].header.n_descsz = sizeof(f.notes[0].desc);
	f.ph[NOTE].p_filesz = 2 * sizeof(struct note);
	assert_null(parse(&f));
	f.notes[0].header.n_descsz = 5; /* padded to the same 8 */
	assert_null(parse(&f));
}

static void note_sizes_overflow(void **state)
{
	static const uint32_t sizes[] = { 0x7fffffff, 0xfffffffc, 0xfffffffd, UINT32_MAX, 13, 21 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct image name = good(), desc = good();

		name.notes[0].header.n_namesz = sizes[i];
		assert_non_null(parse(&name));
		desc.notes[0].header.n_descsz = sizes[i];
		assert_non_null(parse(&desc));
	}
}

static void entries(void **state)
{
	static const struct {
		uint64_t entry;
		bool good;
	} cases[] = {
		{ LOAD_GPA, true },
		{ LOAD_GPA - 1, false },
		{ LOAD_GPA + MEM_BYTES - 1, true },
		{ LOAD_GPA + MEM_BYTES, false },
		{ 0, false },
		{ UINT32_MAX, false },
		{ 1ull << 32 | LOAD_GPA, false }, /* a 64-bit note beyond 4 GiB */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct image f = good();

		f.notes[0].header.n_descsz = sizeof(f.notes[0].desc);
		f.ph[NOTE].p_filesz = sizeof(struct note);
		memcpy(f.notes[0].desc, &cases[i].entry, sizeof(f.notes[0].desc));
		assert_int_equal(!parse(&f), cases[i].good);
	}
}

static void loads_into_ram(void **state)
{
	struct image f = good();
	struct elf_image image;
	struct gmem gm;

	(void)state;
	assert_int_equal(gmem_create(&gm, RAM_BYTES), 0);
	assert_null(elf_parse(&f, sizeof(f), &image));
	assert_null(elf_load(&image, &f, &gm));
	assert_memory_equal(gm.base + LOAD_GPA, f.code, CODE_BYTES);
	for (unsigned i = CODE_BYTES; i < MEM_BYTES; i++)
		assert_int_equal(gm.base[LOAD_GPA + i], 0);
	gmem_destroy(&gm);
}

static void segments_beyond_ram(void **state)
{
	static const struct {
		uint64_t gpa, bytes;
		bool good;
	} cases[] = {
		{ RAM_BYTES - MEM_BYTES, MEM_BYTES, true },
		{ RAM_BYTES - MEM_BYTES + 1, MEM_BYTES, false },
		{ RAM_BYTES, CODE_BYTES, false },
		{ 0, RAM_BYTES, true },
		{ 0, RAM_BYTES + 1, false },
		{ GMEM_HOLE_START, MEM_BYTES, false },
		{ GMEM_HOLE_END, MEM_BYTES, false },
		{ UINT64_MAX - MEM_BYTES, MEM_BYTES, false },
		{ LOAD_GPA, 1ull << 62, false },
	};
	struct gmem gm;

	(void)state;
	assert_int_equal(gmem_create(&gm, RAM_BYTES), 0);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct image f = good();
		struct elf_image image;

		f.ph[2] = f.ph[CODE];
		f.ph[2].p_paddr = cases[i].gpa;
		f.ph[2].p_memsz = cases[i].bytes;
		f.eh.e_phnum = 3;
		assert_null(elf_parse(&f, sizeof(f), &image));
		assert_int_equal(!elf_load(&image, &f, &gm), cases[i].good);
	}
	gmem_destroy(&gm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_image),
		cmocka_unit_test(truncated),
		cmocka_unit_test(wrong_header),
		cmocka_unit_test(program_headers_beyond_the_file),
		cmocka_unit_test(segment_beyond_the_file),
		cmocka_unit_test(segment_larger_in_the_file),
		cmocka_unit_test(address_wraps),
		cmocka_unit_test(number_of_segments),
		cmocka_unit_test(no_pvh_note),
		cmocka_unit_test(pvh_note_after_another),
		cmocka_unit_test(note_sizes_overflow),
		cmocka_unit_test(entries),
		cmocka_unit_test(loads_into_ram),
		cmocka_unit_test(segments_beyond_ram),
	};

	return cmocka_run_group_tests_name("elf", tests, NULL, NULL);
}
