/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/stress/process.h"

#include "guest/lib/print.h"
#include "guest/mm/page.h"

struct process *process_open(u32 owner, u32 areas)
{
	struct process *p = kzalloc(sizeof(*p));

	p->owner = owner;
	p->areas = areas;
	p->mm = mm_create();
	if (!p->mm)
		panic("stress: no memory for an mm");
	return p;
}

void process_close(struct process *p)
{
	mm_put(p->mm);
	kfree(p, sizeof(*p));
}
