/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "ring_service.h"

#include <errno.h>
#include <stdlib.h>

#include "machine.h"
#include "service.h"
#include "watch.h"

static int add_doorbell(struct machine *m)
{
	struct doorbell *d = &m->rings.doorbell;
	int r = doorbell_create(d);

	if (r)
		return machine_failed(m, "doorbell", r);
	struct kvm_ioeventfd io = {
		.addr = DOORBELL_PORT,
		.len = 4,
		.fd = d->fd,
		.flags = KVM_IOEVENTFD_FLAG_PIO,
	};

	return machine_ioctl(m, m->vm_fd, KVM_IOEVENTFD, &io);
}

int ring_service_create(struct machine *m)
{
	struct ring_service *s = &m->rings;

	if (!machine_offers(m, HF_BACKEND_HYPERFLUSH))
		return 0;
	s->set.rings = calloc(m->vcpu_count, sizeof(*s->set.rings));
	if (!s->set.rings)
		return machine_failed(m, "rings", -ENOMEM);
	s->set.count = m->vcpu_count;
	return add_doorbell(m);
}

void ring_service_destroy(struct machine *m)
{
	doorbell_destroy(&m->rings.doorbell);
	free(m->rings.set.rings);
	m->rings.set = (struct ring_set){ 0 };
}

/* Those that have announced themselves by now. */
static void let_attach(struct ring_service *s)
{
	uint32_t announced = atomic_load(&s->announced); /* pairs with ring_service_attach() */

	while ((int32_t)(s->attached - announced) < 0)
		pthread_cond_wait(&s->attachment, &s->lock);
}

/* How many requests. */
static unsigned serve(struct machine *m)
{
	struct ring_service *s = &m->rings;
	unsigned n = ring_serve(&s->set, watch_begin(s->watch, WATCH_RING, &m->flush));

	if (n)
		watch_end(s->watch, n);
	return n;
}

/* One pass, or the decision that there is none to make. True: look again. */
static bool serve_once(struct machine *m)
{
	struct ring_service *s = &m->rings;

	pthread_mutex_lock(&s->lock);
	let_attach(s);
	ring_quiet(&s->set);
	bool again = serve(m) || ring_listen(&s->set);

	pthread_mutex_unlock(&s->lock);
	return again;
}

static void *ring_thread(void *arg)
{
	struct machine *m = arg;

	while (!atomic_load(&m->stop)) {
		int r = doorbell_wait(&m->rings.doorbell);

		if (r) {
			machine_failed(m, "io_uring_enter", r);
			break;
		}
		while (!atomic_load(&m->stop) && serve_once(m))
			doorbell_reap(&m->rings.doorbell); /* before another look at the rings */
	}
	return NULL;
}

int ring_service_start(struct machine *m)
{
	struct ring_service *s = &m->rings;

	if (s->doorbell.fd < 0)
		return 0;
	int err = pthread_create(&s->thread, NULL, ring_thread, m);

	if (err)
		return machine_failed(m, "pthread_create", -err);
	s->has_thread = true;
	pthread_setname_np(s->thread, "rings");
	return 0;
}

void ring_service_join(struct machine *m)
{
	if (m->rings.has_thread)
		pthread_join(m->rings.thread, NULL);
	m->rings.has_thread = false;
}
