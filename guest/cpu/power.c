/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/cpu/power.h"
#include "guest/cpu/irq.h"
#include "guest/lib/cmdline.h"
#include "guest/lib/print.h"
#include "shared/harness.h"

#define KEYBOARD_PORT  0x64
#define KEYBOARD_RESET 0xfe

static const char *verdict_name(u32 verdict)
{
	switch (verdict) {
	case HARNESS_EXIT_PASS:
		return "pass";
	case HARNESS_EXIT_FAIL:
		return "fail";
	default:
		return "panic";
	}
}

void guest_exit(u32 verdict)
{
	const struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) no_idt = { 0, 0 };
	u64 port;

	irq_disable();
	kprintf("HF-VERDICT %s\n", verdict_name(verdict));
	port = cmdline_u64("exit", 0);
	if (port)
		outb((u16)port, (u8)verdict);
	outb(KEYBOARD_PORT, KEYBOARD_RESET);
	__asm__ volatile("lidt %0; ud2" ::"m"(no_idt));
	__builtin_unreachable();
}
