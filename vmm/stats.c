/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm.h"
#include "machine.h"

#define MAX_DESCRIPTORS 4096u /* beyond any kernel; keeps a bad header from asking for the moon */

static int pread_all(int fd, void *dst, size_t len, uint64_t offset)
{
	ssize_t n = pread(fd, dst, len, (off_t)offset);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* Where the value named by this descriptor goes, or NULL if nobody wants it. */
static int64_t *wanted(struct stats_layout *layout, const char *name)
{
#define STATS_MATCH(field)         \
	if (!strcmp(name, #field)) \
		return &layout->field;
	STATS_KVM(STATS_MATCH)
#undef STATS_MATCH
	return NULL;
}

/* One descriptor at a time: {struct kvm_stats_desc, name of header.name_size bytes}. */
static void look_up(int fd, struct stats_layout *layout)
{
	struct kvm_stats_header header;

	if (pread_all(fd, &header, sizeof(header), 0) || header.num_desc > MAX_DESCRIPTORS ||
	    !header.name_size || header.name_size > 256)
		return;
	size_t bytes = sizeof(struct kvm_stats_desc) + header.name_size;
	char *one = calloc(1, bytes + 1);

	for (uint32_t i = 0; one && i < header.num_desc; i++) {
		if (pread_all(fd, one, bytes, header.desc_offset + (uint64_t)i * bytes))
			break;
		const struct kvm_stats_desc *d = (const void *)one;
		int64_t *field = wanted(layout, one + sizeof(*d));

		if (field && d->size == 1)
			*field = (int64_t)header.data_offset + d->offset;
	}
	free(one);
}

void stats_open(struct machine *m)
{
#define STATS_ABSENT(name) .name = -1,
	m->stats = (struct stats_layout){ STATS_KVM(STATS_ABSENT) };
#undef STATS_ABSENT
	for (unsigned i = 0; i < m->vcpu_count; i++) {
		struct vcpu *v = &m->vcpus[i];
		int fd = kvm_ioctl(v->fd, KVM_GET_STATS_FD, NULL);

		if (fd < 0)
			return;
		v->stats_fd = fd;
		if (!i)
			look_up(fd, &m->stats);
	}
}

/* 0 for what this kernel does not have. */
static int read_value(const struct vcpu *v, int64_t offset, uint64_t *value)
{
	*value = 0;
	if (v->stats_fd < 0 || offset < 0)
		return 0;
	return pread_all(v->stats_fd, value, sizeof(*value), (uint64_t)offset);
}

int stats_read(struct machine *m, struct harness_stats *out)
{
	*out = (struct harness_stats){ 0 };
	for (unsigned i = 0; i < m->vcpu_count; i++) {
		const struct vcpu *v = &m->vcpus[i];
		uint64_t value;
		int r;

#define STATS_ADD(name)                           \
	r = read_value(v, m->stats.name, &value); \
	if (r)                                    \
		return r;                         \
	out->name += value;
		STATS_SUMMED(STATS_ADD)
#undef STATS_ADD
		out->kicks += counter_read(&v->flush->kicks);
		out->service_flushes += counter_read(&v->flush->flushes);
		out->hypercalls += counter_read(&v->counters.hypercalls);
		out->hypercall_errors += counter_read(&v->counters.hypercall_errors);
	}
	return 0;
}

int stats_read_blocking(const struct vcpu *v, uint64_t *now)
{
	if (v->stats_fd < 0 || v->machine->stats.blocking < 0)
		return -ENOENT;
	return read_value(v, v->machine->stats.blocking, now);
}
