/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/ring.c in every order of its steps (explorer.h), against guests that post and ring only
 * when they are told to. Each mutant in mutants/ring_order/ must fail here.
 *
 * A guest changes a page-table word, posts, and waits for its entry. When that is
 * complete, its target must have been asked to flush after the word had changed. A guest whose
 * post nobody looks at waits for ever, which the explorer reports.
 */
#include "unit.h"

#include <string.h>

#include "explorer.h"
#include "vmm/ring.h"

#define MAX_GUESTS 2u

static struct machine {
	unsigned guests, posts; /* of each */
	struct flush_target targets[MAX_GUESTS];
	struct flush_service service;
	struct ring rings[MAX_GUESTS];
	struct ring_set set;
	struct hf_ring pages[MAX_GUESTS];
	uint64_t table[MAX_GUESTS]; /* guest i changes table[i], and target i is to flush for it */
	bool doorbell;
} machine;

static void kick(void *ctx, unsigned vcpu)
{
	(void)ctx;
	(void)vcpu;
	explorer_fail("a target outside is kicked");
}

static void barrier(void *ctx)
{
	(void)ctx;
}

static bool is_completed(void *ctx, unsigned id)
{
	struct machine *m = ctx;

	return m->pages[id].completed == m->pages[id].tail;
}

static bool is_rung(void *ctx, unsigned id)
{
	(void)id;
	return ((struct machine *)ctx)->doorbell;
}

static void write_entry(struct hf_ring *page, unsigned target)
{
	struct hf_ring_entry *e = &page->entry[page->tail % HF_RING_ENTRIES];
	struct {
		struct hf_flush head;
		uint64_t bank;
	} request = { .head = { .bank_mask = 1 }, .bank = 1ull << target };

	e->length = sizeof(request);
	e->status = 1;
	memcpy(e->request, &request, sizeof(request));
}

static void guest(struct machine *m, unsigned id)
{
	struct hf_ring *page = &m->pages[id];

	for (unsigned n = 1; n <= m->posts; n++) {
		m->targets[id].pending = 0; /* it has flushed */
		model_store(&m->table[id], sizeof(m->table[id]), n, true);
		write_entry(page, id);
		model_store(&page->tail, sizeof(page->tail), n, true);
		explorer_point();
		explorer_drain(id);
		if (model_load(&page->need_doorbell, sizeof(page->need_doorbell))) {
			explorer_point();
			m->doorbell = true;
		}
		explorer_wait(is_completed, false);
		if (!m->targets[id].pending)
			explorer_fail("complete, and nobody has been asked to flush");
		if (page->entry[(n - 1) % HF_RING_ENTRIES].status)
			explorer_fail("complete, without a status");
	}
}

static void serve(struct machine *m)
{
	for (;;) {
		explorer_wait(is_rung, true);
		m->doorbell = false;
		do
			ring_quiet(&m->set);
		while (ring_serve(&m->set, &m->service) || ring_listen(&m->set));
	}
}

static void thread(void *ctx, unsigned id)
{
	if (id == machine.guests) /* the thread after theirs */
		serve(ctx);
	else
		guest(ctx, id);
}

static void reset(void *ctx)
{
	static const struct flush_ops ops = { .kick = kick, .barrier = barrier };
	struct machine *m = ctx;
	unsigned guests = m->guests, posts = m->posts;

	*m = (struct machine){ .guests = guests, .posts = posts };
	m->service = (struct flush_service){ m->targets, guests, &ops, m };
	m->set.rings = m->rings;
	m->set.count = guests;
	for (unsigned i = 0; i < guests; i++) {
		m->rings[i].page = &m->pages[i];
		m->pages[i].need_doorbell = 1;
	}
}

static void explore(unsigned guests, unsigned posts, unsigned switches)
{
	struct explorer_scenario scenario = {
		.threads = guests + 1,
		.switches = switches,
		.ctx = &machine,
		.reset = reset,
		.thread = thread,
	};
	struct explorer_report report;

	machine.guests = guests;
	machine.posts = posts;
	explorer_run(&scenario, &report);
	if (report.failed)
		fail_msg("%u guests, %u posts each: %s", guests, posts, report.text);
	print_message("             %llu orders\n", (unsigned long long)report.runs);
}

/* M-RING-5, M-RING-8 */
static void one_guest(void **state)
{
	(void)state;
	explore(1, 1, 2);
	explore(1, 2, 3);
	explore(1, 1, 4);
}

static void two_guests(void **state)
{
	(void)state;
	explore(2, 1, 2);
	explore(2, 2, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_guest),
		cmocka_unit_test(two_guests),
	};

	return cmocka_run_group_tests_name("ring: every order", tests, NULL, NULL);
}
