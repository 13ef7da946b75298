/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/boot/layout.h"
#include "guest/cpu/irq.h"
#include "guest/cpu/panic.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/trap.h"
#include "guest/mm/page.h"
#include "guest/user/user.h"

#define IST_STACK_SIZE 8192
#define GATE_INTERRUPT 0x8e /* present, DPL 0, interrupts off */
#define GATE_USER      0xee /* the same with DPL 3: ring 3 may use INT */
#define STUB_SIZE      16

enum ist { IST_NONE, IST_NMI, IST_DF, IST_MC, IST_COUNT = IST_MC };

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 io_bitmap; /* beyond the limit: there is none */
} __attribute__((packed));

struct gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_mid;
	u32 offset_high, reserved;
};

struct table_pointer {
	u16 limit;
	u64 base;
} __attribute__((packed));

struct cpu_tables {
	u8 ist_stack[IST_COUNT][IST_STACK_SIZE] __attribute__((aligned(16)));
	u64 gdt[SEL_TSS / 8 + 2];
	struct tss tss;
	struct gate idt[VECTOR_COUNT];
};

struct extable_entry {
	u64 insn, fixup;
};

extern const char trap_stubs[];
extern const struct extable_entry extable_start[], extable_end[];

static struct cpu_tables boot_tables; /* CPU 0 takes traps before there is memory to allocate */

static void fill_idt(struct gate *idt)
{
	static const u8 ist[VECTOR_COUNT] = {
		[TRAP_NMI] = IST_NMI, [TRAP_DF] = IST_DF, [TRAP_MC] = IST_MC
	};

	for (u32 v = 0; v < VECTOR_COUNT; v++) {
		u64 stub = (u64)trap_stubs + (u64)v * STUB_SIZE;

		idt[v] = (struct gate){ .offset_low = (u16)stub,
					.offset_mid = (u16)(stub >> 16),
					.offset_high = (u32)(stub >> 32),
					.selector = SEL_CODE64,
					.ist = ist[v],
					.type = GATE_INTERRUPT };
	}
	idt[TRAP_BP].type = GATE_USER;
	idt[VECTOR_SYSCALL].type = GATE_USER;
}

static void fill_gdt(u64 *gdt, const struct tss *tss)
{
	u64 base = (u64)tss, limit = sizeof(*tss) - 1;

	gdt[SEL_CODE64 / 8] = 0x00af9b000000ffff;
	gdt[SEL_DATA / 8] = 0x00cf93000000ffff;
	gdt[SEL_USER_DATA / 8] = 0x00cff3000000ffff;
	gdt[SEL_USER_CODE / 8] = 0x00affb000000ffff;
	gdt[SEL_TSS / 8] =
		limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	gdt[SEL_TSS / 8 + 1] = base >> 32;
}

static void load_tables(struct cpu_tables *t)
{
	const struct table_pointer gdt = { sizeof(t->gdt) - 1, (u64)t->gdt };
	const struct table_pointer idt = { sizeof(t->idt) - 1, (u64)t->idt };

	__asm__ volatile("lgdt %0" ::"m"(gdt));
	__asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" ::"i"(SEL_CODE64)
			 : "rax", "memory");
	__asm__ volatile("mov %0, %%ss; mov %0, %%ds; mov %0, %%es" ::"r"(SEL_DATA));
	__asm__ volatile("mov %0, %%fs; mov %0, %%gs" ::"r"(0));
	__asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
	__asm__ volatile("lidt %0" ::"m"(idt));
}

void trap_init_cpu(struct cpu *cpu)
{
	struct cpu_tables *t = cpu->id == 0 ? &boot_tables : kzalloc(sizeof(*t));

	cpu->tables = t;
	for (u32 i = 0; i < IST_COUNT; i++)
		t->tss.ist[i] = (u64)t->ist_stack[i] + IST_STACK_SIZE;
	t->tss.io_bitmap = sizeof(t->tss);
	fill_idt(t->idt);
	fill_gdt(t->gdt, &t->tss);
	load_tables(t);
	wrmsr(MSR_GS_BASE, (u64)cpu); /* after loading GS, which clears the base */
	wrmsr(MSR_KERNEL_GS_BASE, 0); /* ring 3's, while this CPU is in the kernel; entry.S */
	/* Threads have no x87 or SSE state that is saved: in ring 3 these instructions fault. */
	write_cr0(read_cr0() | CR0_EM);
}

void trap_set_stack(u64 top)
{
	this_cpu()->tables->tss.rsp[0] = top;
}

static bool fix_up(struct trap_frame *f)
{
	for (const struct extable_entry *e = extable_start; e < extable_end; e++) {
		if (e->insn == f->rip) {
			f->rip = e->fixup;
			f->r11 = f->vector;
			return true;
		}
	}
	return false;
}

static const char *exception_name(u64 vector)
{
	static const char *const name[] = {
		"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#CSO", "#TS",
		"#NP", "#SS", "#GP", "#PF", "#15", "#MF", "#AC", "#MC", "#XM", "#VE",  "#CP",
	};

	return vector < ARRAY_SIZE(name) ? name[vector] : "exception";
}

void irq_dispatch(struct trap_frame *f);
void trap_dispatch(struct trap_frame *f);

static bool is_irq(u64 vector)
{
	return vector >= VECTOR_FIRST_IRQ && vector != VECTOR_SYSCALL;
}

/* These come at any time, on stacks of their own, and concern no thread. */
static bool is_machine_event(u64 vector)
{
	return vector == TRAP_NMI || vector == TRAP_DF || vector == TRAP_MC;
}

static void dispatch_user(struct trap_frame *f)
{
	user_entered();
	if (is_irq(f->vector))
		irq_dispatch(f);
	else
		user_trap(f);
	user_leaving(f);
}

void trap_dispatch(struct trap_frame *f)
{
	if (f->vector == TRAP_NMI)
		panic_stop_if_asked();
	if (!is_machine_event(f->vector)) {
		if (trap_from_user(f)) {
			dispatch_user(f);
			return;
		}
		if (is_irq(f->vector)) {
			irq_dispatch(f);
			return;
		}
		if (fix_up(f))
			return;
	}
	panic_at(f, "%s (%lu), error code %#lx", exception_name(f->vector), f->vector, f->error);
}
