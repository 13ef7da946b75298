/* SPDX-License-Identifier: BSD-2-Clause */
/* A call into the hypervisor from ring 3. The argument: a struct user_call. Reports RAX. */
#include "guest/user/programs/program.h"

_Noreturn void call(u64 arg)
{
	const struct user_call *in = (const struct user_call *)arg;
	/* cppcheck-suppress constStatement ; the name of a register is no statement */
	register u64 r8 __asm__("r8") = in->r8;
	u64 rax = in->rax, rcx = in->rcx, rdx = in->rdx, rsi = in->rsi, rdi = in->rdi;

#define CALL(insn)                                                                \
	__asm__ volatile(insn                                                     \
			 : "+a"(rax), "+c"(rcx), "+d"(rdx), "+S"(rsi), "+D"(rdi), \
			   "+r"(r8)::"memory")
	switch (in->how) {
	case USER_CALL_VMCALL:
		CALL("vmcall");
		break;
	case USER_CALL_VMMCALL:
		CALL("vmmcall");
		break;
	case USER_CALL_OUT:
		CALL("outl %%eax, %%dx");
		break;
	default:
		exit_with(__LINE__);
	}
	report(rax);
	exit_with(0);
}
