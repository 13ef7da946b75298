/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "machine.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend.h"
#include "boot.h"
#include "detach.h"
#include "loop.h"
#include "shared/hyperflush_abi.h"

#define MEM_BASE_MIB 256u

/* KVM's own pages for real mode on old Intel CPUs, in the hole below 4 GiB. */
#define IDENTITY_MAP_GPA 0xfffbc000ull
#define TSS_GPA		 0xfffbd000ull

#define OTHER_FDS 64u /* besides those of the vCPUs */

void machine_stop(struct machine *m, int status, const char *format, ...)
{
	pthread_mutex_lock(&m->verdict_lock);
	if (!m->has_verdict) {
		va_list args;

		va_start(args, format);
		vsnprintf(m->reason, sizeof(m->reason), format, args);
		va_end(args);
		m->status = status;
		m->has_verdict = true;
	}
	pthread_mutex_unlock(&m->verdict_lock);
	/* Before the kicks: a thread that misses the store is kicked after it, see vcpu_thread().
	 */
	atomic_store(&m->stop, true);
	for (unsigned i = 0; i < m->vcpu_count; i++)
		vcpu_kick(&m->vcpus[i]);
	console_wake(&m->console);
	doorbell_ring(&m->rings.doorbell);
}

int machine_failed(struct machine *m, const char *what, int err)
{
	machine_stop(m, RUN_HOST_ERROR, "%s: %s", what, strerror(-err));
	return err;
}

int machine_ioctl_named(struct machine *m, int fd, unsigned long request, const char *name,
			void *arg)
{
	int r = kvm_ioctl(fd, request, arg);

	return __builtin_expect(r < 0, 0) ? machine_failed(m, name, r) : r;
}

static void flush_kick(void *ctx, unsigned vcpu)
{
	struct machine *m = ctx;

	vcpu_kick(&m->vcpus[vcpu]);
}

/* Cannot fail once registered (membarrier(2)). */
static void flush_barrier(void *ctx)
{
	(void)ctx;
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

static const struct flush_ops flush_ops = { .kick = flush_kick, .barrier = flush_barrier };

/* RAM that the guest can name to us, but not put into CR3, would make our own ioctls fail. */
static int check_ram(struct machine *m)
{
	uint64_t end = m->mem.high ? GMEM_HOLE_END + m->mem.high : m->mem.low;
	unsigned bits = cpuid_phys_bits(&m->kvm.host);

	if (!((end - 1) >> bits))
		return 0;
	machine_stop(m, RUN_HOST_ERROR, "%llu MiB of RAM, but this KVM's addresses have %u bits",
		     (unsigned long long)(m->mem.low + m->mem.high) >> 20, bits);
	return -ENOTSUP;
}

/* What must be known before anything is built: does this host do for this machine? */
static int check_host(struct machine *m)
{
	const struct machine_options *o = m->options;
	const char *what, *lacking;
	int r = kvm_open(&m->kvm, &what);

	if (r)
		return machine_failed(m, what, r);
	unsigned max = kvm_cap(&m->kvm, KVM_CAP_MAX_VCPUS);
	unsigned max_id = kvm_cap(&m->kvm, KVM_CAP_MAX_VCPU_ID);
	if (max_id && max_id < max)
		max = max_id;
	if (o->vcpus > max) {
		machine_stop(m, RUN_HOST_ERROR, "%u vCPUs, but this KVM takes at most %u", o->vcpus,
			     max);
		return -ENOTSUP;
	}
	r = check_ram(m);
	if (r)
		return r;
	m->advertised = o->flush == FLUSH_AUTO ? backend_auto_interfaces(&m->kvm, o->vcpus)
					       : backend_interfaces(o->flush);
	lacking = backend_lacking(&m->kvm, m->advertised, o->vcpus);
	if (lacking) {
		machine_stop(m, RUN_HOST_ERROR, "this host lacks %s", lacking);
		return -ENOTSUP;
	}
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		return machine_failed(m, "membarrier", -errno);
	return 0;
}

/* The service's MSRs exit to user space; offered or not, KVM must not make up an answer. */
static int set_msr_filter(struct machine *m)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR,
				      .args = { KVM_MSR_EXIT_REASON_FILTER } };
	uint64_t denied = 0;
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges = { { .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			      .nmsrs = HF_MSR_COUNT,
			      .base = HF_MSR_HYPERCALL_PAGE,
			      .bitmap = (uint8_t *)&denied } },
	};

	if (backend_lacking(&m->kvm, 1u << HF_BACKEND_HYPERFLUSH, 1))
		return 0; /* check_host() has refused those that need it */
	int r = machine_ioctl(m, m->vm_fd, KVM_ENABLE_CAP, &cap);
	if (!r)
		r = machine_ioctl(m, m->vm_fd, KVM_X86_SET_MSR_FILTER, &filter);
	return r;
}

static int set_xen(struct machine *m)
{
	struct kvm_xen_hvm_config config = { .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
					     .msr = XEN_HYPERCALL_MSR };

	if (!machine_offers(m, HF_BACKEND_XEN))
		return 0;
	return machine_ioctl(m, m->vm_fd, KVM_XEN_HVM_CONFIG, &config);
}

/*
 * KVM gives up at a pending signal (mmu_notifier_register()), and what io_uring has left to do for
 * the machine before, in this thread, counts as one. It is done on the way back: the next try finds
 * none.
 */
static int create_vm_fd(struct machine *m)
{
	int r;

	do
		r = kvm_ioctl(m->kvm.fd, KVM_CREATE_VM, NULL);
	while (r == -EINTR);
	return r < 0 ? machine_failed(m, "KVM_CREATE_VM", r) : r;
}

static int create_vm(struct machine *m)
{
	struct kvm_enable_cap x2apic = { .cap = KVM_CAP_X2APIC_API,
					 .args = { KVM_X2APIC_API_USE_32BIT_IDS |
						   KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK } };
	uint64_t identity_map = IDENTITY_MAP_GPA;
	int r = create_vm_fd(m);

	if (r < 0)
		return r;
	m->vm_fd = r;
	m->pid = getpid();
	r = machine_ioctl(m, m->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map);
	if (!r)
		r = machine_ioctl(m, m->vm_fd, KVM_SET_TSS_ADDR, (void *)(uintptr_t)TSS_GPA);
	if (!r)
		r = machine_ioctl(m, m->vm_fd, KVM_ENABLE_CAP, &x2apic);
	if (!r)
		r = machine_ioctl(m, m->vm_fd, KVM_CREATE_IRQCHIP, NULL);
	if (!r)
		r = set_msr_filter(m);
	if (!r)
		r = set_xen(m);
	if (r)
		return r;
	r = gmem_attach(&m->mem, m->vm_fd);
	return r ? machine_failed(m, "KVM_SET_USER_MEMORY_REGION", r) : 0;
}

/* Two files a vCPU, three with a trace; the usual soft limit of 1024 is too low for 512 of them. */
static void raise_file_limit(const struct machine_options *o)
{
	rlim_t need = OTHER_FDS + (o->observer.trace ? 3 : 2) * (rlim_t)o->vcpus;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= need)
		return;
	limit.rlim_cur = need < limit.rlim_max ? need : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit); /* if it fails, opening the files says so */
}

/* Zeroed; `bytes` is a multiple of 64, as is the address. */
static void *cache_lines(unsigned count, size_t bytes)
{
	void *p = aligned_alloc(64, count * bytes);

	return p ? memset(p, 0, count * bytes) : NULL;
}

static int create_vcpus(struct machine *m)
{
	unsigned count = m->vcpu_count;

	raise_file_limit(m->options);
	m->flush = (struct flush_service){
		.targets = cache_lines(count, sizeof(struct flush_target)),
		.count = count,
		.ops = &flush_ops,
		.ctx = m,
	};
	m->detach_slots = cache_lines(count, sizeof(struct detach_slot));
	if (!m->flush.targets || !m->detach_slots)
		return machine_failed(m, "flush targets", -ENOMEM);
	for (unsigned i = 0; i < count; i++) {
		m->vcpus[i].flush = &m->flush.targets[i];
		m->vcpus[i].detach = &m->detach_slots[i];
		m->vcpus[i].flushes = m->options->generation;
		int r = vcpu_create(&m->vcpus[i]);
		if (r)
			return r;
	}
	stats_open(m);
	int r = ring_service_create(m);

	return r ? r : observer_create(m);
}

/* The parts that need no KVM, so that a bad kernel is told even without one. */
static int load(struct machine *m)
{
	unsigned mib = m->options->mem_mib ? m->options->mem_mib : MEM_BASE_MIB + m->options->vcpus;
	int r = gmem_create(&m->mem, (uint64_t)mib << 20);

	return r ? machine_failed(m, "guest RAM", r) : boot_load(m);
}

static int build(struct machine *m)
{
	int r = load(m);

	if (!r)
		r = check_host(m);
	if (!r)
		r = create_vm(m);
	if (!r)
		r = create_vcpus(m);
	if (!r)
		r = boot_set_registers(m);
	if (r)
		return r;
	serial_create(&m->serial, &m->console, m->vm_fd);
	return 0;
}

static void destroy(struct machine *m)
{
	for (unsigned i = 0; m->vcpus && i < m->vcpu_count; i++)
		vcpu_destroy(&m->vcpus[i]);
	if (m->vm_fd >= 0)
		close(m->vm_fd);
	serial_destroy(&m->serial);
	console_destroy(&m->console);
	ring_service_destroy(m);
	observer_destroy(&m->observer);
	pthread_mutex_destroy(&m->rings.lock);
	pthread_cond_destroy(&m->rings.attachment);
	kvm_close(&m->kvm);
	gmem_destroy(&m->mem);
	sem_destroy(&m->thread_ready);
	pthread_mutex_destroy(&m->verdict_lock);
	free(m->flush.targets);
	free(m->detach_slots);
	free(m->vcpus);
	free(m->capture);
	free(m);
}

/* vCPU threads live only in here; the event loop runs on this thread. */
static void run(struct machine *m)
{
	struct loop *loop = loop_create(m);

	if (loop)
		ring_service_start(m);
	for (unsigned i = 0; loop && i < m->vcpu_count && !m->stop; i++)
		if (!vcpu_start(&m->vcpus[i]))
			observer_started(m, i);
	if (loop)
		loop_run(loop);
	for (unsigned i = 0; i < m->vcpu_count; i++)
		if (m->vcpus[i].has_thread)
			pthread_join(m->vcpus[i].thread, NULL);
	ring_service_join(m);
	if (loop)
		loop_finish(loop);
}

static void collect(struct machine *m, struct machine_result *result)
{
	result->advertised = m->advertised;
	stats_read(m, &result->stats); /* values missing on a dying KVM are missing in the result */
	for (unsigned i = 0; i < m->vcpu_count; i++) {
		const struct vcpu *v = &m->vcpus[i];

#define COLLECT(name, what) result->totals.name += counter_read(&v->counters.name);
		VCPU_COUNTERS(COLLECT)
#undef COLLECT
		for (unsigned e = 0; e < VCPU_EXIT_REASONS; e++)
			result->totals.exits[e] += counter_read(&v->exits[e]);
	}
#define COLLECT(name, what) result->ring_totals.name = counter_read(&m->rings.set.counters.name);
	RING_COUNTERS(COLLECT)
#undef COLLECT
	observer_collect(m, &result->observer);
	result->console = m->capture;
	result->console_len = m->capture_len;
	m->capture = NULL;
}

static struct machine *allocate(const struct machine_options *options)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct vcpu *vcpus = calloc(options->vcpus, sizeof(*vcpus));

	if (!m || !vcpus || console_create(&m->console)) {
		free(m);
		free(vcpus);
		return NULL;
	}
	m->options = options;
	m->vm_fd = m->kvm.fd = m->rings.doorbell.fd = -1;
	m->vcpu_count = options->vcpus;
	m->vcpus = vcpus;
	observer_init(&m->observer);
	pthread_mutex_init(&m->verdict_lock, NULL);
	pthread_mutex_init(&m->rings.lock, NULL);
	pthread_cond_init(&m->rings.attachment, NULL);
	sem_init(&m->thread_ready, 0, 0);
	for (unsigned i = 0; i < options->vcpus; i++) {
		vcpus[i].machine = m;
		vcpus[i].index = i;
		vcpus[i].fd = vcpus[i].stats_fd = -1;
	}
	return m;
}

int machine_run(const struct machine_options *options, struct machine_result *result)
{
	struct machine *m = allocate(options);

	*result = (struct machine_result){ .status = RUN_HOST_ERROR };
	if (!m) {
		snprintf(result->reason, sizeof(result->reason), "out of memory or files");
		return result->status;
	}
	if (!build(m)) {
		run(m);
		collect(m, result);
	}
	result->status = m->status;
	memcpy(result->reason, m->reason, sizeof(result->reason));
	destroy(m);
	return result->status;
}

void machine_result_free(struct machine_result *result)
{
	free(result->console);
	result->console = NULL;
}
