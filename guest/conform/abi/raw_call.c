/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/abi/raw_call.h"

#include "guest/cpu/msr.h"
#include "guest/lib/print.h"
#include "guest/lib/string.h"
#include "guest/mm/map.h"
#include "guest/mm/mm.h"
#include "guest/sched/thread.h"
#include "guest/user/copy.h"
#include "guest/user/launch.h"

#define CR0_TS	   (1ul << 3)
#define CR4_OSFXSR (1ul << 9)

void raw_call_registers(struct raw_call *c);
void raw_load_xmm(const u64 *words);
extern const char raw_vmcall[], raw_vmmcall[];

void raw_call(struct raw_call *c)
{
	u64 cr0 = 0, cr4 = 0;

	c->fault = 0;
	preempt_disable(); /* no thread has vector state that is saved */
	if (c->use_xmm) {
		cr0 = read_cr0();
		cr4 = read_cr4();
		write_cr0(cr0 & ~(CR0_EM | CR0_TS));
		write_cr4(cr4 | CR4_OSFXSR);
		raw_load_xmm(c->xmm);
	}
	raw_call_registers(c);
	if (c->use_xmm) {
		write_cr4(cr4);
		write_cr0(cr0);
	}
	preempt_enable();
}

static bool has_vmmcall(void)
{
	u32 word = cpuid(0, 0).ebx; /* the vendor's first four letters */

	return !memcmp(&word, "Auth", sizeof(word)) || !memcmp(&word, "Hygo", sizeof(word));
}

const void *raw_bare(void)
{
	return has_vmmcall() ? raw_vmmcall : raw_vmcall;
}

bool raw_call_user(struct raw_call *c, enum raw_user how)
{
	struct user_call in = {
		.how = how == RAW_USER_OUT ? USER_CALL_OUT
		       : has_vmmcall()	   ? USER_CALL_VMMCALL
					   : USER_CALL_VMCALL,
		.rax = c->rax,
		.rcx = c->rcx,
		.rdx = how == RAW_USER_OUT ? (u64)c->target : c->rdx,
		.rsi = c->rsi,
		.rdi = c->rdi,
		.r8 = c->r8,
	};
	struct mm *mm = launch_mm();
	s64 page = mm_map(mm, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, 0);
	struct user_result r;

	if (page < 0 || copy_to_user(mm, (u64)page, &in, sizeof(in)))
		panic("no page for a call from ring 3");
	user_join(launch(PROGRAM_CALL, mm, 0, 0, (u64)page), &r);
	mm_put(mm);
	c->fault = r.end.reason == USER_FAULTED ? r.end.vector : 0;
	c->rax = r.report[0];
	return c->fault || (r.end.reason == USER_EXITED && !r.end.code && r.reports == 1);
}
