/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes -> what guests do with their rings and state pages: MSRs, entries and indices, good and
 * bad, doorbells, calls in between; and the thread "rings", which looks at them. Between any two of
 * its accesses to guest RAM, and in the middle of its flush, others may write there: that is part
 * of the input as well. ring_reference.c judges each access; image.c knows what RAM must be.
 */
#include "effects.h"
#include "image.h"
#include "reference.h"
#include "ring_reference.h"
#include "words.h"

#include "vmm/service.h"

#define MAX_STEPS   32u
#define UNTIL_NEVER UINT8_MAX

static struct input *input;
static uint64_t ring_msr[VCPUS];
static unsigned until_others; /* accesses */

static struct {
	void *(*body)(void *);
	void *arg;
	bool rung, woken, again;
	unsigned reactions;
	void (*kick)(unsigned vcpu); /* what the kicked do */
} thread;

/* A request that is good, or nearly; more than fits into a slot is lost. Its length. */
static uint32_t take_request(struct input *in, uint8_t how, uint8_t *request)
{
	struct hf_flush head = { .set_kind = how & 3, .range_count = how >> 2 & 1 };
	struct hf_range range = { .root = HF_ROOT_ANY, .count = 1, .page_shift = HF_PAGE_4K };
	uint8_t *end = request + sizeof(head);

	head.flags = (how & 0x88) == 0x88;
	head.bank_mask = head.set_kind == HF_SET_BANKS ? take8(in) : 0;
	memcpy(request, &head, sizeof(head));
	for (uint64_t left = head.bank_mask; left; left &= left - 1, end += 8) {
		uint64_t bank = 1ull << take8(in) % 64;

		memcpy(end, &bank, sizeof(bank));
	}
	if (head.range_count) {
		memcpy(end, &range, sizeof(range));
		end += sizeof(range);
	}
	if (how & 0x40) {
		uint8_t at = take8(in) % HF_RING_REQUEST_BYTES;

		request[at] ^= take8(in);
	}
	return how & 0x10 ? (uint32_t)take_small(in) : (uint32_t)(end - request);
}

/* Its offset. */
static size_t take_page(struct input *in)
{
	return (size_t)4096 * (take8(in) % RAM_PAGES);
}

/* As docs/abi.md has it, but for some. */
static void post(struct input *in)
{
	uint8_t entry[sizeof(struct hf_ring_entry) + sizeof(struct hf_range)] = { 0 };
	size_t page = take_page(in);
	uint8_t how = take8(in);
	uint32_t length = take_request(in, how, entry + offsetof(struct hf_ring_entry, request));
	uint32_t tail, need;

	memcpy(entry, &length, sizeof(length));
	memcpy(&tail, image + page, sizeof(tail));
	guest_writes(page + offsetof(struct hf_ring, entry) +
			     tail % HF_RING_ENTRIES * sizeof(struct hf_ring_entry),
		     entry, sizeof(struct hf_ring_entry));
	tail++;
	guest_writes(page, &tail, sizeof(tail));
	memcpy(&need, image + page + offsetof(struct hf_ring, need_doorbell), sizeof(need));
	thread.rung |= need && !(how & 0x20);
}

/* Several at once, or none at all. */
static void move_tail(struct input *in)
{
	size_t page = take_page(in);
	uint32_t tail, step = (uint32_t)take_small(in);

	memcpy(&tail, image + page, sizeof(tail));
	tail += step;
	guest_writes(page, &tail, sizeof(tail));
}

static void write_anything(struct input *in)
{
	uint8_t bytes[UINT8_MAX];
	size_t offset = take16(in) % RAM_ALL, n = take8(in);

	take(in, bytes, n);
	guest_writes(offset, bytes, n);
}

static void ring_doorbell(struct input *in)
{
	(void)in;
	thread.rung = true; /* by KVM: ioeventfd */
}

/* Those that need no exit, so that they may come at any time. */
static void guest_does(struct input *in)
{
	static void (*const what[])(struct input *) = { post, move_tail, write_anything,
							ring_doorbell };

	what[take8(in) % (sizeof(what) / sizeof(what[0]))](in);
}

/* The time between two accesses of the host to guest RAM. */
static void others(void)
{
	MUST(pthread_mutex_trylock(&machine.rings.lock), "a ring is touched without the lock");
	if (!input->left || until_others == UNTIL_NEVER)
		return;
	if (until_others) {
		until_others--;
		return;
	}
	words_open();
	guest_does(input);
	until_others = take8(input);
	words_close();
}

static void stored(size_t offset, size_t bytes, uint64_t value)
{
	ring_reference_stored(offset, bytes, value);
	memcpy(image + offset, &value, bytes);
}

/* An MSR's value: of some page, most times. */
static uint64_t take_msr_value(struct input *in, unsigned unit)
{
	uint8_t which = take8(in);

	if (which < 0xd0)
		return (page_gpa(which % RAM_PAGES) + (size_t)which / RAM_PAGES * unit % 4096) | 1;
	if (which < 0xe0)
		return 0;
	return which < 0xf0 ? page_gpa(which % RAM_PAGES) + take16(in) : take_gpa(in, &machine.mem);
}

static void set_msr(struct vcpu *v, uint32_t index, uint64_t value)
{
	v->run->exit_reason = KVM_EXIT_X86_WRMSR;
	v->run->msr = (__typeof__(v->run->msr)){ .index = index, .data = value, .error = 0x5a };
	thread_handle(v->index);
}

static bool msr_is_good(uint32_t index, uint64_t value)
{
	return machine_offers(&machine, HF_BACKEND_HYPERFLUSH) &&
	       reference_msr(&machine.mem, index, value);
}

static void step_ring_msr(struct input *in)
{
	struct vcpu *v = fixture_caller(in);
	uint64_t value = take_msr_value(in, 4096);
	bool good = msr_is_good(HF_MSR_RING, value);

	until_others = take8(in);
	if (good)
		ring_reference_attach(v->index, value ? ram_offset(value - 1) : NO_RING);
	else
		ring_reference_refuse();
	words_close();
	set_msr(v, HF_MSR_RING, value);
	words_open();
	ring_reference_attached();
	MUST(v->run->msr.error == !good, "ring %#llx is %s", (unsigned long long)value,
	     good ? "refused" : "taken");
	ring_msr[v->index] = good ? value : ring_msr[v->index];
	check_image("WRMSR(ring)");
}

static void step_state_msr(struct input *in)
{
	struct vcpu *v = fixture_caller(in);
	uint64_t value = take_msr_value(in, 64);
	bool good = msr_is_good(HF_MSR_STATE, value);

	set_msr(v, HF_MSR_STATE, value);
	MUST(v->run->msr.error == !good, "state page %#llx is %s", (unsigned long long)value,
	     good ? "refused" : "taken");
	if (good) {
		state_msr[v->index] = value;
		image_flushed(v->index);
	}
	check_image("WRMSR(state)");
}

static void step_rdmsr(struct input *in)
{
	struct vcpu *v = fixture_caller(in);
	bool ring = take8(in) & 1, good = machine_offers(&machine, HF_BACKEND_HYPERFLUSH);

	v->run->exit_reason = KVM_EXIT_X86_RDMSR;
	v->run->msr.index = ring ? HF_MSR_RING : HF_MSR_STATE;
	thread_handle(v->index);
	MUST(v->run->msr.error == !good, "RDMSR: error %u", v->run->msr.error);
	MUST(!good || v->run->msr.data == (ring ? ring_msr : state_msr)[v->index],
	     "RDMSR gives %#llx", v->run->msr.data);
}

/* The doorbell's port is KVM's; what is no access of 32 bits comes to us, and is nobody's. */
static void step_wrong_doorbell(struct input *in)
{
	struct vcpu *v = fixture_caller(in);
	uint64_t unknown = counter_read(&v->counters.unknown_ports);
	unsigned size = 1u << (take8(in) & 1);

	memset(fixture_port_exit(v->index, DOORBELL_PORT, true, size, 1), 0, size);
	thread_handle(v->index);
	MUST(counter_read(&v->counters.unknown_ports) == unknown + 1, "the port is not counted");
	check_image("OUT");
}

/* hypercall.c judges the calls. Here they are what goes on besides. */
static void step_call(struct input *in)
{
	struct vcpu *v = fixture_caller(in);
	struct kvm_regs *regs = &v->run->s.regs.regs;

	regs->rax = take8(in) % 5;
	regs->rdi = page_gpa(take8(in) % RAM_PAGES) + take16(in) % 4096;
	regs->rsi = take8(in);
	fixture_port_exit(v->index, SERVICE_PORT, true, 4, 1);
	threads_call(v->index, take8(in) % 8);
	thread_handle(v->index);
	memcpy(image, machine.mem.base, RAM_ALL); /* banks and lazy words */
}

static void step_run(struct input *in)
{
	fixture_run(in);
	check_image("vCPUs that come and go");
}

/* What may go on while the thread waits for its lock. */
static void vcpu_does(struct input *in)
{
	static void (*const what[])(struct input *) = {
		step_ring_msr, step_state_msr, step_rdmsr, step_wrong_doorbell, step_call, step_run,
	};

	what[take8(in) % (sizeof(what) / sizeof(what[0]))](in);
}

static void kick_in_pass(unsigned vcpu)
{
	words_open();
	thread.kick(vcpu);
	words_close();
	others();
}

int fake_ring_lock(pthread_mutex_t *lock);
int fake_ring_lock(pthread_mutex_t *lock)
{
	MUST(thread.woken || thread.again, "a pass for nothing");
	thread.woken = false;
	if (take8(input) >> 5 == 7)
		vcpu_does(input);
	pthread_mutex_lock(lock);
	threads_call(VCPUS, thread.reactions);
	thread.kick = service_calls.kick;
	service_calls.kick = kick_in_pass;
	until_others = take8(input);
	effects_look();
	ring_reference_begin();
	words_close();
	return 0;
}

int fake_ring_unlock(pthread_mutex_t *lock);
int fake_ring_unlock(pthread_mutex_t *lock)
{
	words_open();
	thread.again = ring_reference_end();
	check_image("a pass");
	return pthread_mutex_unlock(lock);
}

int fake_ring_thread(pthread_t *id, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int fake_ring_thread(pthread_t *id, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	(void)attr;
	*id = pthread_self();
	thread.body = start;
	thread.arg = arg;
	return 0;
}

/* M-RING-8. When there is nothing to wake it for, the thread ends instead. */
int doorbell_wait(struct doorbell *d)
{
	MUST(d == &machine.rings.doorbell, "another doorbell");
	MUST(!thread.again, "the thread goes to sleep, and there are entries");
	if (!thread.rung)
		atomic_store(&machine.stop, true);
	thread.woken = thread.rung;
	thread.rung = false;
	return 0;
}

int doorbell_create(struct doorbell *d)
{
	(void)d;
	return 0;
}

void doorbell_reap(struct doorbell *d)
{
	(void)d;
}

void doorbell_destroy(struct doorbell *d)
{
	(void)d;
}

static void step_thread(struct input *in)
{
	thread.reactions = take8(in) % 8;
	thread.body(thread.arg);
	atomic_store(&machine.stop, false);
	MUST(!machine.has_verdict, "the guest ends the run: %s", machine.reason);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fixture_create();
	machine.rings.doorbell.fd = 0;
	MUST(!ring_service_start(&machine) && thread.body, "the thread");
	word_watch = (struct word_watch){ others, ring_reference_loaded, stored };
	thread_events = (struct thread_events){ .flushed = image_flushed, .in_run = image_in_run };
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct input *) = { guest_does, vcpu_does, step_thread };
	struct input in = { data, size };

	input = &in;
	memset(ring_msr, 0, sizeof(ring_msr));
	fixture_reset(take8(&in) == UINT8_MAX ? 0 : 1u << HF_BACKEND_HYPERFLUSH);
	atomic_store(&machine.hypercall_page, 1); /* there is one */
	image_reset();
	ring_reference_reset();
	thread.rung = thread.woken = thread.again = false;
	for (unsigned i = 0; in.left && i < MAX_STEPS; i++)
		steps[take8(&in) % (sizeof(steps) / sizeof(steps[0]))](&in);
	return 0;
}
