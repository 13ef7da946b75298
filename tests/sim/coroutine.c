/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/sim/coroutine.h"

#include <stdint.h>
#include <stdlib.h>

#define CANARY 0x5afe57ac5afe57acu

void coroutine_swap(void **save_sp, void *load_sp);
void coroutine_first(void);

/*
 * The callee-saved registers of the ABI; all else is dead across a call. A new stack
 * begins in coroutine_first with the function in r12 and its argument in r13.
 */
__asm__(".text\n"
	".globl coroutine_swap, coroutine_first\n"
	"coroutine_swap:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	"coroutine_first:\n"
	"	movq %r13, %rdi\n"
	"	callq *%r12\n"
	"	ud2\n");

void coroutine_start(struct coroutine *c, void (*fn)(void *arg), void *arg)
{
	uint64_t *top;

	if (!c->stack) {
		c->stack = aligned_alloc(64, COROUTINE_STACK);
		if (!c->stack)
			abort();
		*(uint64_t *)(void *)c->stack = CANARY;
	}
	/* coroutine_first finds the stack aligned as before a call. */
	top = (uint64_t *)(void *)(c->stack + COROUTINE_STACK) - 2;
	*--top = (uint64_t)coroutine_first;
	*--top = 0;		/* rbp */
	*--top = 0;		/* rbx */
	*--top = (uint64_t)fn;	/* r12 */
	*--top = (uint64_t)arg; /* r13 */
	*--top = 0;		/* r14 */
	*--top = 0;		/* r15 */
	c->sp = top;
}

void coroutine_switch(struct coroutine *from, struct coroutine *to)
{
	coroutine_swap(&from->sp, to->sp);
}

int coroutine_intact(const struct coroutine *c)
{
	return !c->stack || *(const uint64_t *)(const void *)c->stack == CANARY;
}
