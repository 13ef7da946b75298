/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does KVM's Hyper-V TLB flush reach all its targets? Nothing but ioctls on /dev/kvm.
 *
 *	cc -O2 -pthread -o hyperv-flush hyperv-flush.c && ./hyperv-flush [ROUNDS]
 *
 * vCPU 0 points an entry of each target's own page table at another frame, flushes all address
 * spaces of the targets by HvCallFlushVirtualAddressSpace, and then has each target read. A target
 * that reads the old frame was not flushed, although the call returned success. Each target's
 * tables are its own, so that with shadow paging nobody else's flush updates its shadow.
 *
 * Exit status: 0 no stale read, 1 stale reads, 4 this host cannot run it.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define MAX_TARGETS 3u
#define RAM_BYTES   0x200000u /* all of it mapped one to one */
#define CODE_PA	    0x10000u
#define SHARED_PA   0x20000u
#define INPUT_PA    0x21000u
#define PAGE_PA	    0x22000u  /* for the hypercall page, which is not used */
#define TABLES_PA   0x40000u  /* four pages a vCPU */
#define FRAME_PA    0x100000u /* two frames */
#define TEST_VA	    0x180000u

#define LAST_TABLE(vcpu) (TABLES_PA + 4 * 0x1000u * (vcpu) + 3 * 0x1000u)
#define TEST_ENTRY(vcpu) (LAST_TABLE(vcpu) + TEST_VA / 0x1000 * 8)
#define PRESENT_WRITE	 3u
#define HV_CPUID_ENLIGHT 0x40000004u
#define HV_REMOTE_FLUSH	 (1u << 2)
#define HV_MSR_OS_ID	 0x40000000u
#define HV_MSR_HYPERCALL 0x40000001u
#define HV_FLUSH_SPACE	 0x0002u
#define HV_ALL_SPACES	 (1ull << 1)

/* At SHARED_PA; the assembly knows the offsets. */
struct shared {
	uint64_t ordered;	  /* the round whose frame must be read; negative: the end */
	uint64_t rounds, targets; /* for vCPU 0 */
	uint64_t status;	  /* of the last flush */
	uint64_t stale[MAX_TARGETS + 1];
	uint64_t done[MAX_TARGETS + 1]; /* the last round read */
	uint64_t seen[MAX_TARGETS + 1]; /* and what stood there: the number of the frame */
};
_Static_assert(sizeof(struct shared) == 32 + 3 * 32, "see the assembly");

/*
 * RDI: struct shared. vCPU 0 also: RSI: the first target's entry, R8: bytes to the next one's,
 * R9: the frames; a target: RBX: its number, R10: TEST_VA.
 */
__asm__(".pushsection .rodata\n"
	"code_initiator:\n"
	"	xor %r12d, %r12d\n"
	"1:	inc %r12\n" /* the round */
	"	mov %r12, %rax; and $1, %eax; shl $12, %rax; add %r9, %rax; or $3, %rax\n"
	"	mov %rsi, %r13; mov 16(%rdi), %r14\n"
	"2:	mov %rax, (%r13); add %r8, %r13; dec %r14; jnz 2b\n"
	"	mov $2, %ecx; mov $0x21000, %edx; push %r8; xor %r8d, %r8d\n"
	"code_call:\n"
	"	vmcall\n"
	"	pop %r8; mov %rax, 24(%rdi); test %eax, %eax; jnz 5f\n"
	"	mov %r12, (%rdi)\n"
	"	mov 16(%rdi), %r14\n"
	"3:	pause; cmp %r12, 64(%rdi,%r14,8); jne 3b\n"
	"	mov %r12, %rax; and $1, %eax; cmp %rax, 96(%rdi,%r14,8); je 4f\n"
	"	incq 32(%rdi,%r14,8)\n"
	"4:	dec %r14; jnz 3b\n"
	"	cmp 8(%rdi), %r12; jb 1b\n"
	"5:	hlt\n"
	"code_target:\n"
	"1:	mov (%r10), %rax\n" /* keeps the translation in use */
	"	pause; mov (%rdi), %rcx; cmp 64(%rdi,%rbx,8), %rcx; je 1b\n"
	"	test %rcx, %rcx; js 5b\n"
	"	mov (%r10), %rax; mov %rax, 96(%rdi,%rbx,8); mov %rcx, 64(%rdi,%rbx,8); jmp 1b\n"
	"code_end:\n"
	".popsection\n");
extern const uint8_t code_initiator[], code_call[], code_target[], code_end[];

static uint8_t *ram;

static int must(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(4);
	}
	return result;
}

static void build_memory(unsigned targets, uint64_t rounds)
{
	struct shared *s = (void *)(ram + SHARED_PA);
	uint32_t vendor = 0, a, c, d;

	memset(ram, 0, RAM_BYTES);
	memcpy(ram + CODE_PA, code_initiator, (size_t)(code_end - code_initiator));
	__get_cpuid(0, &a, &vendor, &c, &d);
	if (vendor == 0x68747541 || vendor == 0x6f677948) /* Auth, Hygo: VMMCALL */
		ram[CODE_PA + (size_t)(code_call - code_initiator) + 2] = 0xd9;
	for (unsigned v = 0; v <= targets; v++) {
		uint64_t *table = (void *)(ram + TABLES_PA + 4ul * 0x1000 * v);

		for (unsigned level = 0; level < 3; level++, table += 512)
			table[0] =
				(TABLES_PA + 4 * 0x1000 * v + (level + 1) * 0x1000) | PRESENT_WRITE;
		for (unsigned i = 0; i < 512; i++)
			table[i] = i * 0x1000u | PRESENT_WRITE;
		table[TEST_VA / 0x1000] = FRAME_PA | PRESENT_WRITE;
	}
	*(uint64_t *)(ram + FRAME_PA + 0x1000) = 1;
	s->rounds = rounds;
	s->targets = targets;
	uint64_t input[3] = { 0, HV_ALL_SPACES, ((1ull << targets) - 1) << 1 };

	memcpy(ram + INPUT_PA, input, sizeof(input));
}

/* Hyper-V's leaves as KVM offers them; *advertised: with the flush among what it recommends. */
static void set_cpuid(int kvm, int vcpu, bool *advertised)
{
	enum { MAX = 256 };
	size_t bytes = sizeof(struct kvm_cpuid2) + MAX * sizeof(struct kvm_cpuid_entry2);
	struct kvm_cpuid2 *cpu = calloc(1, bytes), *hv = calloc(1, bytes);
	unsigned n = 0;

	cpu->nent = hv->nent = MAX;
	must(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpu), "KVM_GET_SUPPORTED_CPUID");
	must(ioctl(vcpu, KVM_GET_SUPPORTED_HV_CPUID, hv), "KVM_GET_SUPPORTED_HV_CPUID");
	for (unsigned i = 0; i < cpu->nent; i++)
		if (cpu->entries[i].function >> 24 != 0x40)
			cpu->entries[n++] = cpu->entries[i];
	for (unsigned i = 0; i < hv->nent; i++)
		*advertised |= hv->entries[i].function == HV_CPUID_ENLIGHT &&
			       hv->entries[i].eax & HV_REMOTE_FLUSH;
	memcpy(cpu->entries + n, hv->entries, hv->nent * sizeof(hv->entries[0]));
	cpu->nent = n + hv->nent;
	must(ioctl(vcpu, KVM_SET_CPUID2, cpu), "KVM_SET_CPUID2");
	free(cpu);
	free(hv);
}

static void set_hyperv_msrs(int vcpu)
{
	const struct kvm_msr_entry entries[] = {
		{ .index = HV_MSR_OS_ID, .data = 1 },
		{ .index = HV_MSR_HYPERCALL, .data = PAGE_PA | 1 },
	};
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + sizeof(entries));

	msrs->nmsrs = 2;
	memcpy(msrs->entries, entries, sizeof(entries));
	if (must(ioctl(vcpu, KVM_SET_MSRS, msrs), "KVM_SET_MSRS") != 2)
		must(-1, "the Hyper-V MSRs");
	free(msrs);
}

static void set_registers(int vcpu, unsigned number)
{
	struct kvm_segment code = { .type = 11,
				    .present = 1,
				    .s = 1,
				    .l = 1,
				    .g = 1,
				    .limit = UINT32_MAX,
				    .selector = 8 },
			   data = { .type = 3,
				    .present = 1,
				    .s = 1,
				    .db = 1,
				    .g = 1,
				    .limit = UINT32_MAX,
				    .selector = 16 };
	struct kvm_regs regs = { .rflags = 2,
				 .rip = CODE_PA +
					(number ? (uintptr_t)(code_target - code_initiator) : 0),
				 .rsp = SHARED_PA,
				 .rdi = SHARED_PA,
				 .rsi = TEST_ENTRY(1),
				 .r8 = TEST_ENTRY(2) - TEST_ENTRY(1),
				 .r9 = FRAME_PA,
				 .rbx = number,
				 .r10 = TEST_VA };
	struct kvm_sregs sregs;

	must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = data;
	sregs.cr0 = 0x80010011; /* PG, WP, ET, PE */
	sregs.cr4 = 0x20;	/* PAE */
	sregs.efer = 0x500;	/* LMA, LME */
	sregs.cr3 = TABLES_PA + 4 * 0x1000 * number;
	must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void *run(void *vcpu)
{
	must(ioctl((int)(intptr_t)vcpu, KVM_RUN, NULL), "KVM_RUN");
	return NULL;
}

/* Stale reads with so many targets. */
static uint64_t measure(int kvm, unsigned targets, uint64_t rounds)
{
	struct shared *s = (void *)(ram + SHARED_PA);
	struct kvm_userspace_memory_region region = { .memory_size = RAM_BYTES,
						      .userspace_addr = (uintptr_t)ram };
	int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	pthread_t thread[MAX_TARGETS + 1];
	uint64_t stale = 0;
	bool advertised = false;

	build_memory(targets, rounds);
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	for (unsigned v = 0; v <= targets; v++) {
		int vcpu = must(ioctl(vm, KVM_CREATE_VCPU, v), "KVM_CREATE_VCPU");

		set_cpuid(kvm, vcpu, &advertised);
		set_registers(vcpu, v);
		if (!v)
			set_hyperv_msrs(vcpu);
		pthread_create(&thread[v], NULL, run, (void *)(intptr_t)vcpu);
	}
	pthread_join(thread[0], NULL); /* it halts */
	if (s->status & 0xffff || s->ordered != rounds) {
		fprintf(stderr, "status %#llx in round %llu\n", (unsigned long long)s->status,
			(unsigned long long)s->ordered + 1);
		exit(4);
	}
	__atomic_store_n(&s->ordered, UINT64_MAX, __ATOMIC_SEQ_CST);
	for (unsigned v = 1; v <= targets; v++)
		pthread_join(thread[v], NULL);
	printf("%u targets, %llu flushes (%sadvertised), stale reads of each:", targets,
	       (unsigned long long)rounds, advertised ? "" : "not ");
	for (unsigned v = 1; v <= targets; v++) {
		printf(" %llu", (unsigned long long)s->stale[v]);
		stale += s->stale[v];
	}
	printf("\n");
	return stale;
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000, stale = 0;
	int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");

	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV_TLBFLUSH) <= 0) {
		fprintf(stderr, "this KVM has no KVM_CAP_HYPERV_TLBFLUSH\n");
		return 4;
	}
	for (unsigned targets = 1; targets <= MAX_TARGETS; targets++) {
		ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			   0);
		if (ram == MAP_FAILED)
			must(-1, "memory");
		stale += measure(kvm, targets, rounds);
	}
	return stale ? 1 : 0;
}
