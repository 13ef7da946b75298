/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/apic.h"
#include "guest/cpu/console.h"
#include "guest/cpu/panic.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/power.h"
#include "guest/cpu/timer.h"
#include "guest/lib/print.h"
#include "guest/lib/symbols.h"
#include "shared/harness.h"

#define STOP_DEADLINE_MS    500
#define BACKTRACE_MAX_DEPTH 32

static u32 owner;   /* number of the CPU that panics, plus 1 */
static u32 stopped; /* CPUs that have answered its NMI */

static _Noreturn void halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void panic_stop_if_asked(void)
{
	u32 who = __atomic_load_n(&owner, __ATOMIC_ACQUIRE);

	if (who == 0 || who == cpu_id() + 1)
		return;
	__atomic_add_fetch(&stopped, 1, __ATOMIC_SEQ_CST);
	halt_forever();
}

static void stop_others(void)
{
	u64 deadline = rdtsc() + tsc_from_ms(STOP_DEADLINE_MS);
	u32 asked = 0, polls = 0;

	for_each_cpu (cpu, cpus_online()) {
		if (cpu != cpu_id()) {
			apic_send_nmi(cpu);
			asked++;
		}
	}
	while (__atomic_load_n(&stopped, __ATOMIC_ACQUIRE) < asked && rdtsc() < deadline)
		cpu_poll(&polls);
	console_break_lock();
	if (stopped < asked)
		kprintf("panic: %u of %u other CPUs have not stopped\n", asked - stopped, asked);
}

/* One panic owns the console; a second CPU waits for its end, a panic in panic ends at once. */
static void take_over(void)
{
	u32 nobody = 0, me = cpu_id() + 1;

	irq_disable();
	if (__atomic_compare_exchange_n(&owner, &nobody, me, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST)) {
		stop_others();
		return;
	}
	if (nobody != me) {
		__atomic_add_fetch(&stopped, 1, __ATOMIC_SEQ_CST);
		halt_forever();
	}
	kprintf("panic: panicked again while panicking\n");
	guest_exit(HARNESS_EXIT_PANIC);
}

static void print_address(u64 address)
{
	u64 offset;
	const char *name = symbol_find(address, &offset);

	kprintf("  %016llx %s+%#llx\n", (unsigned long long)address, name ? name : "?",
		(unsigned long long)offset);
}

/* Frames are {caller's rbp, return address}; ends at rbp 0, in damage, or when it leads down. */
static void print_backtrace(u64 rbp)
{
	kprintf("backtrace:\n");
	for (u32 depth = 0; depth < BACKTRACE_MAX_DEPTH && rbp && rbp % 8 == 0; depth++) {
		u64 next, address;

		if (try_read64((const void *)rbp, &next) ||
		    try_read64((const void *)(rbp + 8), &address) || address == 0)
			break;
		print_address(address);
		if (next <= rbp)
			break;
		rbp = next;
	}
}

static void print_registers(const struct trap_frame *f)
{
	kprintf("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
	kprintf("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
	kprintf("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
	kprintf("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
	kprintf("rip %016lx cs %04lx ss %04lx rflags %08lx error %lx\n", f->rip, f->cs, f->ss,
		f->rflags, f->error);
}

static void print_control_registers(void)
{
	kprintf("cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx\n", read_cr0(), read_cr2(), read_cr3(),
		read_cr4());
}

static void print_headline(const char *fmt, va_list ap)
{
	char text[KPRINTF_MAX / 2];

	vsnprintf(text, sizeof(text), fmt, ap);
	kprintf("PANIC on CPU %u: %s\n", cpu_id(), text);
}

void panic_at(const struct trap_frame *frame, const char *fmt, ...)
{
	va_list ap;

	take_over();
	va_start(ap, fmt);
	print_headline(fmt, ap);
	va_end(ap);
	print_registers(frame);
	print_control_registers();
	print_address(frame->rip);
	if (!trap_from_user(frame)) /* RBP is not ours otherwise */
		print_backtrace(frame->rbp);
	guest_exit(HARNESS_EXIT_PANIC);
}

void panic(const char *fmt, ...)
{
	u64 rbx, rsp, r12, r13, r14, r15;
	va_list ap;

	/* The callee-saved registers are those the caller has something in. */
	__asm__ volatile("mov %%rbx, %0; mov %%rsp, %1; mov %%r12, %2;"
			 "mov %%r13, %3; mov %%r14, %4; mov %%r15, %5"
			 : "=m"(rbx), "=m"(rsp), "=m"(r12), "=m"(r13), "=m"(r14), "=m"(r15));
	take_over();
	va_start(ap, fmt);
	print_headline(fmt, ap);
	va_end(ap);
	kprintf("rbx %016lx rsp %016lx r12 %016lx r13 %016lx\n", rbx, rsp, r12, r13);
	kprintf("r14 %016lx r15 %016lx\n", r14, r15);
	print_control_registers();
	print_backtrace((u64)__builtin_frame_address(0));
	guest_exit(HARNESS_EXIT_PANIC);
}
