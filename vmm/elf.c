/* SPDX-License-Identifier: BSD-2-Clause */
#include "elf.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "shared/pvh_abi.h"

struct span {
	const uint8_t *bytes;
	size_t len;
};

/* The part [offset, offset + len) of a span; false unless all of it is there. */
static bool sub_span(struct span s, uint64_t offset, uint64_t len, struct span *out)
{
	if (offset > s.len || len > s.len - offset)
		return false;
	*out = (struct span){ s.bytes + offset, (size_t)len };
	return true;
}

static const char *check_header(const Elf64_Ehdr *eh)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG))
		return "not an ELF file";
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return "not a little-endian ELF64 file";
	if (eh->e_machine != EM_X86_64)
		return "not an x86-64 file";
	if (eh->e_type != ET_EXEC)
		return "not an executable with fixed addresses (ET_EXEC)";
	if (eh->e_phentsize != sizeof(Elf64_Phdr))
		return "program headers of an unknown size";
	return NULL;
}

static const char *add_segment(struct span file, const Elf64_Phdr *ph, struct elf_image *image)
{
	struct span bytes;

	if (!ph->p_memsz)
		return NULL;
	if (image->segment_count == ELF_MAX_SEGMENTS)
		return "too many segments";
	if (ph->p_filesz > ph->p_memsz)
		return "a segment larger in the file than in memory";
	if (!sub_span(file, ph->p_offset, ph->p_filesz, &bytes))
		return "a segment reaches beyond the end of the file";
	if (ph->p_paddr + ph->p_memsz < ph->p_paddr)
		return "a segment's address wraps";
	image->segments[image->segment_count++] = (struct elf_segment){
		.offset = ph->p_offset,
		.file_bytes = ph->p_filesz,
		.gpa = ph->p_paddr,
		.mem_bytes = ph->p_memsz,
	};
	return NULL;
}

static uint64_t align4(uint32_t n)
{
	return ((uint64_t)n + 3) & ~3ull;
}

/* Looks through one PT_NOTE segment. True once the PVH entry has been found. */
static bool find_entry(struct span notes, uint32_t *entry)
{
	Elf64_Nhdr nh;
	struct span head, name, desc;

	while (sub_span(notes, 0, sizeof(nh), &head)) {
		memcpy(&nh, head.bytes, sizeof(nh));
		uint64_t desc_at = sizeof(nh) + align4(nh.n_namesz);
		uint64_t end = desc_at + align4(nh.n_descsz);

		if (!sub_span(notes, sizeof(nh), nh.n_namesz, &name) ||
		    !sub_span(notes, desc_at, nh.n_descsz, &desc))
			return false;
		if (nh.n_type == PVH_NOTE_TYPE && name.len == sizeof("Xen") &&
		    !memcmp(name.bytes, "Xen", sizeof("Xen")) &&
		    (desc.len == sizeof(uint32_t) || desc.len == sizeof(uint64_t))) {
			uint64_t value = 0;

			memcpy(&value, desc.bytes, desc.len);
			*entry = (uint32_t)value;
			return value <= UINT32_MAX;
		}
		if (end > notes.len)
			return false;
		notes = (struct span){ notes.bytes + end, notes.len - (size_t)end };
	}
	return false;
}

static bool in_a_segment(const struct elf_image *image, uint64_t gpa)
{
	for (unsigned i = 0; i < image->segment_count; i++)
		if (gpa >= image->segments[i].gpa &&
		    gpa - image->segments[i].gpa < image->segments[i].mem_bytes)
			return true;
	return false;
}

const char *elf_parse(const void *bytes, size_t len, struct elf_image *image)
{
	struct span file = { bytes, len }, part;
	bool has_entry = false;
	Elf64_Ehdr eh;

	*image = (struct elf_image){ 0 };
	if (!sub_span(file, 0, sizeof(eh), &part))
		return "not an ELF file";
	memcpy(&eh, part.bytes, sizeof(eh));
	const char *wrong = check_header(&eh);
	if (wrong)
		return wrong;

	struct span table;
	if (!sub_span(file, eh.e_phoff, (uint64_t)eh.e_phnum * sizeof(Elf64_Phdr), &table))
		return "program headers reach beyond the end of the file";
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, table.bytes + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD)
			wrong = add_segment(file, &ph, image);
		else if (ph.p_type == PT_NOTE && !sub_span(file, ph.p_offset, ph.p_filesz, &part))
			wrong = "a note reaches beyond the end of the file";
		else if (ph.p_type == PT_NOTE && !has_entry)
			has_entry = find_entry(part, &image->entry);
		if (wrong)
			return wrong;
	}
	if (!has_entry)
		return "no PVH entry note (XEN_ELFNOTE_PHYS32_ENTRY)";
	if (!in_a_segment(image, image->entry))
		return "the PVH entry lies outside all segments";
	return NULL;
}

const char *elf_load(const struct elf_image *image, const void *file, const struct gmem *gm)
{
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct elf_segment *s = &image->segments[i];
		void *dst = gmem_ptr(gm, s->gpa, s->mem_bytes);

		if (!dst)
			return "a segment lies outside the guest's RAM";
		memcpy(dst, (const uint8_t *)file + s->offset, s->file_bytes);
	}
	return NULL;
}
