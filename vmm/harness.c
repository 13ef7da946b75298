/* SPDX-License-Identifier: BSD-2-Clause */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm.h"
#include "machine.h"
#include "stats.h"

int harness_init(struct harness *h)
{
	*h = (struct harness){ .lock = PTHREAD_MUTEX_INITIALIZER };
	return placement_init(&h->placement);
}

void harness_destroy(struct harness *h)
{
	stopper_end(&h->stopper);
	placement_destroy(&h->placement);
}

static void refuse(struct harness_page *page, int status, const char *why)
{
	page->status = status;
	snprintf(page->text, sizeof(page->text), "%s", why);
}

static void do_stats(struct vcpu *v, struct harness_page *page)
{
	if (v->machine->stats.irq_injections < 0 || stats_read(v->machine, &page->stats))
		refuse(page, HARNESS_ENOTSUP, "KVM's statistics cannot be read");
}

static void do_blocked(struct vcpu *v, struct harness_page *page)
{
	uint64_t now;

	if (page->blocked.vcpu >= v->machine->vcpu_count)
		refuse(page, HARNESS_EINVAL, "no such vCPU");
	else if (stats_read_blocking(&v->machine->vcpus[page->blocked.vcpu], &now))
		refuse(page, HARNESS_ENOTSUP, "this KVM has no `blocking` statistic");
	else
		page->blocked.now = now != 0;
}

static void do_place(struct vcpu *v, struct harness_page *page)
{
	struct harness *h = v->machine->options->harness;
	pid_t tids[MACHINE_MAX_VCPUS];

	stopper_end(&h->stopper);
	h->placed = (struct harness_place){ 0 };
	for (unsigned i = 0; i < v->machine->vcpu_count; i++) {
		tids[i] = atomic_load(&v->machine->vcpus[i].tid);
		if (!tids[i]) {
			refuse(page, HARNESS_EINVAL, "a vCPU's thread does not run yet");
			return;
		}
	}
	page->status = placement_apply(&h->placement, tids, v->machine->vcpu_count, &page->place,
				       page->text, sizeof(page->text));
	if (page->status == HARNESS_EOK)
		h->placed = page->place;
	else if (page->status == HARNESS_ENOTSUP && h->refused)
		h->refused(h->ctx, &page->place, page->text);
}

/* Drops the samples that began while the victim was on its CPU. */
static uint32_t keep_off_cpu(const struct placement *p, struct harness_sample *samples,
			     uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++)
		if (placement_off_cpu(p, samples[i].start, samples[i].start))
			samples[kept++] = samples[i];
	return kept;
}

/* A copy of the guest's samples, for free(). NULL: refused. */
static struct harness_sample *copy_samples(struct vcpu *v, struct harness_page *page, uint64_t gpa,
					   uint32_t count)
{
	struct harness_sample *samples = malloc(count * sizeof(*samples));

	if (!samples) {
		refuse(page, HARNESS_ENOTSUP, "no memory for a copy of the samples");
	} else if (gmem_read(&v->machine->mem, gpa, samples, count * sizeof(*samples))) {
		refuse(page, HARNESS_EINVAL, "samples not in guest RAM");
		free(samples);
		samples = NULL;
	}
	return samples;
}

static void do_record(struct vcpu *v, struct harness_page *page)
{
	struct harness *h = v->machine->options->harness;
	struct harness_record *r = &page->record;
	uint32_t count = r->sample_count;

	if (!h->record) {
		refuse(page, HARNESS_ENOTSUP, "nobody keeps records in this run");
		return;
	}
	r->suite[sizeof(r->suite) - 1] = r->name[sizeof(r->name) - 1] =
		r->backend[sizeof(r->backend) - 1] = 0;
	if (!count || count > HARNESS_MAX_SAMPLES || !r->placement ||
	    r->placement != h->placed.placement) {
		refuse(page, HARNESS_EINVAL,
		       "record without samples, or of a placement that is not in force");
		return;
	}
	struct harness_sample *samples = copy_samples(v, page, r->samples_gpa, count);

	if (!samples)
		return;
	placement_stop_rival(&h->placement);
	if (r->placement == HARNESS_DESCHEDULED)
		count = keep_off_cpu(&h->placement, samples, count);
	if (h->record(h->ctx, r, &h->placed, samples, count,
		      (uint32_t)kvm_ioctl(v->fd, KVM_GET_TSC_KHZ, NULL)))
		refuse(page, HARNESS_ENOSPC, "this guest has made all the records it may");
	free(samples);
}

static void do_judge(struct vcpu *v, struct harness_page *page)
{
	struct harness *h = v->machine->options->harness;
	struct harness_judge *j = &page->judge;

	j->at_call = j->throughout = 0;
	if (!j->sample_count || j->sample_count > HARNESS_MAX_JUDGED ||
	    h->placed.placement != HARNESS_DESCHEDULED) {
		refuse(page, HARNESS_EINVAL, "no samples or too many, or no victim");
		return;
	}
	struct harness_sample *samples = copy_samples(v, page, j->samples_gpa, j->sample_count);

	if (!samples)
		return;
	placement_stop_rival(&h->placement);
	for (uint32_t i = 0; i < j->sample_count; i++) {
		uint64_t start = samples[i].start, end;

		if (placement_off_cpu(&h->placement, start, start))
			j->at_call |= 1ull << i;
		if (!__builtin_add_overflow(start, samples[i].ticks, &end) &&
		    placement_off_cpu(&h->placement, start, end))
			j->throughout |= 1ull << i;
	}
	free(samples);
}

static bool valid_stops(const struct machine *m, const struct harness_stops *s)
{
	uint32_t bound = m->options->harness->placed.vcpus, end;

	return !__builtin_add_overflow(s->first, s->count, &end) && s->count && end <= bound &&
	       s->longest_us && s->shortest_us <= s->longest_us &&
	       s->longest_us <= HARNESS_MAX_STOP_US && s->words_gpa % sizeof(uint64_t) == 0 &&
	       gmem_ptr(&m->mem, s->words_gpa, bound * sizeof(uint64_t));
}

static void do_stop(struct vcpu *v, struct harness_page *page)
{
	struct harness *h = v->machine->options->harness;

	if (!valid_stops(v->machine, &page->stops)) {
		refuse(page, HARNESS_EINVAL, "vCPUs that are not bound, or no such times or words");
		return;
	}
	for (uint32_t i = 0; i < h->placed.vcpus; i++)
		h->cpu[i] = placement_cpu(&h->placement, &h->placed, i);
	int err = stopper_start(&h->stopper, &page->stops, &v->machine->mem, h->cpu);

	if (err) {
		refuse(page, HARNESS_ENOTSUP, "");
		snprintf(page->text, sizeof(page->text), "no thread of real-time priority: %s",
			 strerror(-err));
	}
}

static void do_stop_end(struct vcpu *v, struct harness_page *page)
{
	struct stopper *s = &v->machine->options->harness->stopper;

	if (!s->running) {
		refuse(page, HARNESS_EINVAL, "no vCPU is being stopped");
		return;
	}
	stopper_end(s);
	page->stops = s->stops;
}

int harness_out(struct vcpu *v, uint32_t value)
{
	static void (*const ops[])(struct vcpu *, struct harness_page *) = {
		[HARNESS_STATS] = do_stats,	  [HARNESS_PLACE] = do_place,
		[HARNESS_RECORD] = do_record,	  [HARNESS_BLOCKED] = do_blocked,
		[HARNESS_JUDGE] = do_judge,	  [HARNESS_STOP] = do_stop,
		[HARNESS_STOP_END] = do_stop_end,
	};
	struct machine *m = v->machine;
	struct harness_page page;

	if (!m->options->harness || gmem_read(&m->mem, value, &page, sizeof(page)))
		return 0; /* `status` stays as the guest left it */
	page.status = HARNESS_EOK;
	page.text[0] = 0;
	pthread_mutex_lock(&m->options->harness->lock);
	if (page.op < sizeof(ops) / sizeof(ops[0]) && ops[page.op])
		ops[page.op](v, &page);
	else
		refuse(&page, HARNESS_EINVAL, "no such request");
	pthread_mutex_unlock(&m->options->harness->lock);
	if (page.status != HARNESS_EOK && page.status != HARNESS_ENOTSUP)
		counter_inc(&v->counters.harness_errors);
	gmem_write(&m->mem, value, &page, sizeof(page));
	return 0;
}
