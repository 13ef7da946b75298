/* SPDX-License-Identifier: BSD-2-Clause */
#include "switches.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES (64u << 10) /* a power of two, in pages */

/* What sample_type asks for, behind each record (sample_id_all). */
struct sample_id {
	uint32_t pid, tid;
	uint64_t time;
	uint32_t cpu, reserved;
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int switches_open(struct switches *s, pid_t tid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU,
		.sample_id_all = 1,
		.context_switch = 1,
		.exclude_kernel = 1, /* of what it does not count anyway; asks for fewer rights */
		.exclude_hv = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	long fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	*s = (struct switches){ .fd = -1 };
	if (fd < 0)
		return -errno;
	void *ring = mmap(NULL, page_bytes() + RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			  (int)fd, 0);

	if (ring == MAP_FAILED) {
		int err = -errno;

		close((int)fd);
		return err;
	}
	s->fd = (int)fd;
	s->ring = ring;
	return 0;
}

void switches_close(struct switches *s)
{
	if (s->fd < 0)
		return;
	munmap(s->ring, page_bytes() + RING_BYTES);
	close(s->fd);
	s->fd = -1;
}

bool switches_record(struct switches *s, const void *record, size_t bytes,
		     struct switches_span *span)
{
	struct perf_event_header header;
	struct lost_record lost;
	struct sample_id id;

	memcpy(&header, record, sizeof(header));
	if (header.type == PERF_RECORD_LOST && bytes >= sizeof(lost)) {
		memcpy(&lost, record, sizeof(lost));
		s->lost += lost.lost;
		s->off = false; /* what comes next may have a beginning that was lost */
	}
	if (header.type != PERF_RECORD_SWITCH || bytes < sizeof(header) + sizeof(id))
		return false;
	memcpy(&id, (const uint8_t *)record + bytes - sizeof(id), sizeof(id));
	if (header.misc & PERF_RECORD_MISC_SWITCH_OUT) {
		s->off = true;
		s->could_run = header.misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT;
		s->since = id.time;
		return false;
	}
	bool ends = s->off;

	s->off = false;
	*span = (struct switches_span){ s->since, id.time, s->could_run, id.cpu };
	return ends;
}

/* Copies out of the ring, in which a record may lie around the end. */
static void copy_out(const struct switches *s, uint64_t offset, void *to, size_t bytes)
{
	const uint8_t *data = (const uint8_t *)s->ring + page_bytes();
	size_t first = RING_BYTES - (size_t)(offset % RING_BYTES);

	if (first > bytes)
		first = bytes;
	memcpy(to, data + offset % RING_BYTES, first);
	memcpy((uint8_t *)to + first, data, bytes - first);
}

bool switches_take(struct switches *s, struct switches_span *span)
{
	struct perf_event_mmap_page *page = s->ring;
	uint8_t record[256];
	bool found = false;

	if (s->fd < 0)
		return false;
	/* perf_event_open(2): a barrier after data_head is read, and before data_tail is written.
	 */
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE), tail = page->data_tail;

	while (!found && tail != head) {
		struct perf_event_header header;

		copy_out(s, tail, &header, sizeof(header));
		if (header.size < sizeof(header)) {
			tail = head; /* not as documented: there is no next record to find */
			break;
		}
		if (header.size <= sizeof(record)) {
			copy_out(s, tail, record, header.size);
			found = switches_record(s, record, header.size, span);
		}
		tail += header.size;
	}
	__atomic_store_n(&page->data_tail, tail, __ATOMIC_RELEASE);
	return found;
}
