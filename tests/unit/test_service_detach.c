/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm/service.c, `fence`, `detach` and the lazy word's MSR: from registers and guest memory to
 * targets, and back. A target's thread is played by the kick.
 */
#include "unit.h"

#include <string.h>

#include "service_fixture.h"
#include "vmm/detach.h"

#define FROM 0x10000u
#define TO   0x20000u

/* A request in guest memory: the header and two banks. */
struct request {
	struct hf_detach head;
	uint64_t banks[2];
};

static struct vcpu_set kicked;

/* The target comes out of KVM_RUN. Even vCPUs are on the root asked about, odd ones are not. */
static void target_answers(unsigned vcpu)
{
	struct vcpu *v = &machine.vcpus[vcpu];
	struct detach_roots roots;

	vcpu_set_add(&kicked, vcpu);
	flush_leave(v->flush);
	assert_true(flush_enter(v->flush));
	assert_true(detach_take(v->detach, &roots));
	assert_true(roots.from == FROM && roots.to == TO);
	detach_done(v->detach, vcpu % 2 == 0);
}

static void put(const void *request, size_t len)
{
	assert_int_equal(gmem_write(&machine.mem, REQUEST, request, len), 0);
}

static struct request detach_of(uint64_t bank0, uint64_t bank1)
{
	return (struct request){ .head = { .bank_mask = 3, .from = FROM, .to = TO },
				 .banks = { bank0, bank1 } };
}

/* The call's result; *r as the guest finds it afterwards. */
static int64_t detach(struct request *r)
{
	put(r, sizeof(*r));
	int64_t result = call(HF_CALL_DETACH, REQUEST, sizeof(*r));

	assert_int_equal(gmem_read(&machine.mem, REQUEST, r, sizeof(*r)), 0);
	return result;
}

static void enter_guest(unsigned vcpu)
{
	assert_false(flush_enter(machine.vcpus[vcpu].flush));
}

static int setup(void **state)
{
	int r = service_setup(state);

	if (r)
		return r;
	kicked = (struct vcpu_set){ 0 };
	register_page();
	return 0;
}

/* The answer takes the place of the banks; nothing else of the request or around it changes.
 * M-DETACH-3. */
static void the_moved_ones_are_written_back(void **state)
{
	struct request r = detach_of(1ull << 63 | 1ull << 10 | 1ull << 7, 1ull << 5 | 1ull << 2);
	struct hf_detach head = r.head;
	uint8_t around[2][8];

	(void)state;
	service_calls.kick = target_answers;
	enter_guest(7);
	enter_guest(10);
	enter_guest(63);
	enter_guest(66);
	enter_guest(69);
	memset(machine.mem.base + REQUEST - 8, 0xee, 8);
	memset(machine.mem.base + REQUEST + sizeof(r), 0xee, 8);
	assert_s64(detach(&r), HF_OK);
	assert_true(r.banks[0] == 1ull << 10);
	assert_true(r.banks[1] == 1ull << 2);
	assert_memory_equal(&r.head, &head, sizeof(head));
	memcpy(around[0], machine.mem.base + REQUEST - 8, 8);
	memcpy(around[1], machine.mem.base + REQUEST + sizeof(r), 8);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(around[i / 8][i % 8], 0xee);
	assert_true(kicked.bank[0] == (1ull << 63 | 1ull << 10 | 1ull << 7));
	assert_true(kicked.bank[1] == (1ull << 5 | 1ull << 2));
	assert_int_equal(errors(), 0);
	assert_int_equal(counter_read(&self->counters.hypercalls), 1);
}

static void rewrites_its_request(unsigned vcpu)
{
	struct request other;

	memset(&other, 0xff, sizeof(other));
	put(&other, sizeof(other));
	target_answers(vcpu);
}

/* The request was copied before anybody was asked; only the answer is written. M-CALL-7. */
static void request_rewritten_meanwhile(void **state)
{
	struct request r = detach_of(1ull << 10, 1ull << 2);

	(void)state;
	service_calls.kick = rewrites_its_request;
	enter_guest(10);
	enter_guest(66);
	assert_s64(detach(&r), HF_OK);
	assert_true(r.banks[0] == 1ull << 10 && r.banks[1] == 1ull << 2);
	assert_true(r.head.bank_mask == UINT64_MAX && r.head.from == UINT64_MAX);
	assert_true(kicked.bank[0] == 1ull << 10 && kicked.bank[1] == 1ull << 2);
}

static void who_does_not_run_is_not_moved(void **state)
{
	struct request r = detach_of(UINT64_MAX, 0x3f);

	(void)state;
	r.head.deadline_us = 1000;
	assert_s64(detach(&r), HF_OK);
	assert_true(r.banks[0] == 0 && r.banks[1] == 0);
	assert_int_equal(pending(), VCPUS - 1); /* of what it would have been kicked for */
	for (unsigned i = 0; i < VCPUS; i++)
		assert_int_equal(machine.detach_slots[i].state, DETACH_IDLE);
}

/* M-DETACH-6 */
static void the_caller_is_not_moved(void **state)
{
	struct request r = detach_of(1ull << SELF | 1ull << 4, 0);

	(void)state;
	service_calls.kick = target_answers;
	enter_guest(4);
	r.head.deadline_us = HF_DETACH_MAX_US;
	assert_s64(detach(&r), HF_OK);
	assert_true(r.banks[0] == 1ull << 4);
	assert_int_equal(machine.detach_slots[SELF].state, DETACH_IDLE);
	assert_int_equal(self->flush->pending, 0);
}

/* No bank, no target, nothing to write. */
static void without_banks(void **state)
{
	const struct hf_detach head = { .from = FROM, .to = TO };
	const uint64_t end = RAM_BYTES - sizeof(head);

	(void)state;
	assert_int_equal(gmem_write(&machine.mem, end, &head, sizeof(head)), 0);
	assert_s64(call(HF_CALL_DETACH, end, sizeof(head)), HF_OK);
}

/* The banks end with RAM: what is written back fits, as it did when it was read. */
static void at_the_end_of_ram(void **state)
{
	struct request r = detach_of(1ull << 8, 0);
	const uint64_t gpa = RAM_BYTES - sizeof(r);

	(void)state;
	service_calls.kick = target_answers;
	enter_guest(8);
	assert_int_equal(gmem_write(&machine.mem, gpa, &r, sizeof(r)), 0);
	assert_s64(call(HF_CALL_DETACH, gpa + 1, sizeof(r)), HF_EFAULT);
	assert_s64(call(HF_CALL_DETACH, gpa, sizeof(r)), HF_OK);
	assert_int_equal(gmem_read(&machine.mem, gpa, &r, sizeof(r)), 0);
	assert_true(r.banks[0] == 1ull << 8);
}

/* KVM would refuse such a CR3, and end the run. M-DETACH-8. */
static void root_not_in_ram(void **state)
{
	static const uint64_t refused[] = { RAM_BYTES, GMEM_HOLE_START, GMEM_HOLE_END,
					    0x000ffffffffff000ull };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		struct request r = detach_of(1ull << 8, 0);

		r.head.to = refused[i];
		assert_s64(detach(&r), HF_EROOT);
		assert_true(r.banks[0] == 1ull << 8); /* a refused one has changed nothing */
	}
	struct request last = detach_of(0, 0);

	last.head.to = RAM_BYTES - 4096;
	last.head.from = 0x000ffffffffff000ull; /* it is only compared */
	assert_s64(detach(&last), HF_OK);
	assert_int_equal(errors(), COUNT_OF(refused));
	assert_int_equal(pending(), 0);
}

/* M-CALL-6 */
static void refused_ones_change_nothing(void **state)
{
	struct request good = detach_of(UINT64_MAX, 0x3f), flags = good, beyond = good, late = good;

	(void)state;
	flags.head.flags = 1;
	assert_s64(detach(&flags), HF_EFLAGS);
	beyond.banks[1] = 1ull << (VCPUS - 64);
	assert_s64(detach(&beyond), HF_ESET);
	late.head.deadline_us = HF_DETACH_MAX_US + 1;
	assert_s64(detach(&late), HF_ETIME);
	put(&good, sizeof(good));
	assert_s64(call(HF_CALL_DETACH, REQUEST, sizeof(good) - 8), HF_ESIZE);
	assert_s64(call(HF_CALL_DETACH, REQUEST, 0), HF_ESIZE);
	self->run->s.regs.sregs.ss.dpl = 3;
	assert_s64(call(HF_CALL_DETACH, REQUEST, sizeof(good)), HF_EPERM);
	assert_true(good.banks[0] == UINT64_MAX);
	assert_true(flags.banks[0] == UINT64_MAX && late.banks[0] == UINT64_MAX);
	assert_true(beyond.banks[0] == UINT64_MAX);
	assert_int_equal(pending(), 0);
	assert_int_equal(errors(), 6);
}

/* M-FENCE-1 */
static void fence(void **state)
{
	struct hf_flush all = { .set_kind = HF_SET_ALL };

	(void)state;
	enter_guest(1);
	put(&all, sizeof(all));
	assert_s64(call(HF_CALL_FENCE, REQUEST, sizeof(all)), HF_OK);
	assert_int_equal(service_calls.barriers, 1);
	assert_int_equal(pending(), 0); /* nobody flushes, nobody is kicked */
	all.set_kind = HF_SET_ALL_BUT_SELF;
	put(&all, sizeof(all));
	assert_s64(call(HF_CALL_FENCE, REQUEST, sizeof(all)), HF_OK);
	assert_int_equal(service_calls.barriers, 2);
	assert_int_equal(errors(), 0);
}

/* M-FENCE-2 */
static void refused_fences(void **state)
{
	struct hf_flush strong = { .set_kind = HF_SET_ALL, .flags = HF_FLUSH_STRONG };

	(void)state;
	put(&strong, sizeof(strong));
	assert_s64(call(HF_CALL_FENCE, REQUEST, sizeof(strong)), HF_EFLAGS);
	assert_s64(call(HF_CALL_FENCE, REQUEST, sizeof(strong) + 8), HF_ESIZE);
	assert_s64(call(HF_CALL_FENCE, RAM_BYTES, sizeof(strong)), HF_EFAULT);
	self->run->s.regs.sregs.ss.dpl = 1;
	assert_s64(call(HF_CALL_FENCE, REQUEST, sizeof(strong)), HF_EPERM);
	assert_int_equal(service_calls.barriers, 0);
	assert_int_equal(errors(), 4);
}

/* M-WORD-1 */
static void lazy_word_msr(void **state)
{
	static const uint64_t refused[] = {
		0x4000,			 /* not enabled */
		0x4000 | 2 | 1,		 /* misaligned */
		0x4000 | 4 | 1,		 /* so, too */
		2,			 /* nowhere, and misaligned */
		RAM_BYTES | 1,		 /* not in RAM */
		GMEM_HOLE_START | 1,	 /* nor this */
		GMEM_HOLE_END | 1,	 /* nor this */
		1ull << 63 | 0x4000 | 1, /* nor this */
		UINT64_MAX,
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		assert_false(wrmsr(self, HF_MSR_LAZY_WORD, refused[i]));
		assert_int_equal(self->lazy_word, 0);
	}
	assert_true(wrmsr(self, HF_MSR_LAZY_WORD, 0x4000 | 1));
	assert_int_equal(self->lazy_word, 0x4000 | 1);
	assert_false(wrmsr(self, HF_MSR_LAZY_WORD, RAM_BYTES | 1));
	assert_int_equal(self->lazy_word, 0x4000 | 1);
	assert_true(wrmsr(self, HF_MSR_LAZY_WORD, (RAM_BYTES - 8) | 1));
	assert_true(wrmsr(self, HF_MSR_LAZY_WORD, 1)); /* gpa 0 is RAM */
	assert_int_equal(self->lazy_word, 1);
	assert_true(wrmsr(self, HF_MSR_LAZY_WORD, 0));
	assert_int_equal(self->lazy_word, 0);
	machine.advertised = 0;
	assert_false(wrmsr(self, HF_MSR_LAZY_WORD, 0x4000 | 1));
	assert_int_equal(self->lazy_word, 0);
}

/* M-WORD-2 */
static void each_vcpu_has_its_own_lazy_word(void **state)
{
	struct vcpu *other = &machine.vcpus[SELF + 1];
	uint64_t value;

	(void)state;
	assert_true(wrmsr(self, HF_MSR_LAZY_WORD, 0x4000 | 1));
	assert_true(wrmsr(other, HF_MSR_LAZY_WORD, 0x4040 | 1));
	assert_true(rdmsr(self, HF_MSR_LAZY_WORD, &value));
	assert_int_equal(value, 0x4000 | 1);
	assert_true(rdmsr(other, HF_MSR_LAZY_WORD, &value));
	assert_int_equal(value, 0x4040 | 1);
	assert_true(rdmsr(&machine.vcpus[0], HF_MSR_LAZY_WORD, &value));
	assert_int_equal(value, 0);
	assert_int_equal(machine.hypercall_page, PAGE | 1); /* another MSR */
	machine.advertised = 0;
	assert_false(rdmsr(self, HF_MSR_LAZY_WORD, &value));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, service_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_moved_ones_are_written_back),
		TEST(request_rewritten_meanwhile),
		TEST(who_does_not_run_is_not_moved),
		TEST(the_caller_is_not_moved),
		TEST(without_banks),
		TEST(at_the_end_of_ram),
		TEST(root_not_in_ram),
		TEST(refused_ones_change_nothing),
		TEST(fence),
		TEST(refused_fences),
		TEST(lazy_word_msr),
		TEST(each_vcpu_has_its_own_lazy_word),
	};

	return cmocka_run_group_tests_name("service: detach", tests, NULL, NULL);
}
