/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/lib/harness.h"

#include "guest/cpu/msr.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/page.h"

#define NO_ANSWER INT32_MIN

static u16 port(void)
{
	return (u16)cmdline_u64("harness", 0);
}

/* True if the command line names the device. */
static bool present(void)
{
	return port() != 0;
}

int harness_call(struct harness_page *page)
{
	static struct harness_page *shared; /* a page of its own, below 4 GiB */

	if (!present()) {
		page->status = HARNESS_ENOTSUP;
		strlcpy(page->text, "no harness device", sizeof(page->text));
		return page->status;
	}
	if (!shared)
		shared = kzalloc(PAGE_SIZE);
	ASSERT(virt_to_phys(shared) <= UINT32_MAX);
	*shared = *page;
	shared->status = NO_ANSWER;
	outl(port(), (u32)virt_to_phys(shared));
	*page = *shared;
	if (page->status == NO_ANSWER) {
		page->status = HARNESS_ENOTSUP;
		strlcpy(page->text, "the harness device does not answer", sizeof(page->text));
	}
	return page->status;
}

int harness_place(enum harness_placement placement, u32 vcpus, struct harness_place *place,
		  char *why)
{
	struct harness_page page = {
		.op = HARNESS_PLACE,
		.place = { .placement = placement, .vcpus = vcpus },
	};
	int status = harness_call(&page);

	*place = page.place;
	strlcpy(why, page.text, sizeof(page.text));
	return status;
}

int harness_stop(const struct harness_stops *stops, char *why)
{
	struct harness_page page = { .op = HARNESS_STOP, .stops = *stops };
	int status = harness_call(&page);

	strlcpy(why, page.text, sizeof(page.text));
	return status;
}

struct harness_stops harness_stop_end(void)
{
	struct harness_page page = { .op = HARNESS_STOP_END };

	if (harness_call(&page))
		panic("the host stops vCPUs, but does not end that: %s", page.text);
	return page.stops;
}

int harness_stats(struct harness_stats *stats)
{
	struct harness_page page = { .op = HARNESS_STATS };
	int status = harness_call(&page);

	*stats = page.stats;
	return status;
}
