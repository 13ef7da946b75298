/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/stress/worker.h"

#include "guest/cpu/trap.h"
#include "guest/lib/errno.h"
#include "guest/mm/fault.h"
#include "guest/mm/switch.h"

#define TRIES 16u

int user_read(struct mm *mm, u64 va, u64 *value)
{
	int r = 0;

	for (u32 i = 0; i < TRIES && !r; i++) {
		if (!try_read64((const void *)va, value))
			return 0;
		r = mm_fault(mm, va, ACCESS_READ);
	}
	return r ? r : -EAGAIN;
}

int user_write(struct mm *mm, u64 va, u64 value)
{
	int r = 0;

	for (u32 i = 0; i < TRIES && !r; i++) {
		if (!try_write64((void *)va, value))
			return 0;
		r = mm_fault(mm, va, ACCESS_WRITE);
	}
	return r ? r : -EAGAIN;
}

static const struct {
	bool (*run)(struct worker *w);
	u32 weight;
} operations[OPERATION_COUNT] = {
#define OPERATION_WEIGHT(id, name, share) [OP_##id].weight = (share),
	OPERATIONS(OPERATION_WEIGHT)
#undef OPERATION_WEIGHT
		[OP_FILL]
			.run = keeper_fill,
	[OP_RENEW].run = keeper_renew,
	[OP_DROP].run = keeper_drop,
	[OP_MOVE].run = keeper_move,
	[OP_EMPTY].run = keeper_empty,
	[OP_PROTECT].run = keeper_protect,
	[OP_WRITE].run = keeper_write,
	[OP_VERIFY].run = keeper_verify,
	[OP_LOOK].run = anybody_look,
	[OP_MARK].run = anybody_mark,
	[OP_GHOST].run = anybody_ghost,
	[OP_TRESPASS].run = anybody_trespass,
	[OP_COLLAPSE].run = anybody_collapse,
	[OP_FORK].run = anybody_fork,
	[OP_WALK].run = anybody_walk,
};

/* Somebody waits for the area to change. */
static bool is_watched(const struct worker *w)
{
	return w->area != AREAS && mem_load(&w->process->area[w->area].watchers);
}

static void run(struct worker *w, enum operation op)
{
	w->done[op] += operations[op].run(w);
}

/* One of these does something, whether the area is mapped or not. */
void worker_oblige(struct worker *w)
{
	static const enum operation changes[] = { OP_PROTECT, OP_MOVE, OP_EMPTY };

	if (!is_watched(w))
		return;
	run(w, OP_FILL);
	run(w, changes[random_below(&w->random, ARRAY_SIZE(changes))]);
}

static enum operation choose(struct worker *w)
{
	u32 left = random_below(&w->random, 256), i = 0;

	if (mem_load(&w->process->pinners) && !random_below(&w->random, 4))
		return OP_FORK;
	while (i < OPERATION_COUNT - 1 && left >= operations[i].weight)
		left -= operations[i++].weight;
	return (enum operation)i;
}

void worker_main(void *arg)
{
	struct worker *w = arg;
	u64 rounds = w->rounds / 2 + random_below(&w->random, (u32)w->rounds);

	mm_use(w->process->mm);
	for (u64 i = 0; i < rounds && !findings_all(); i++) {
		enum operation op = choose(w);

		if (op <= OP_VERIFY && w->area == AREAS)
			op = OP_LOOK;
		run(w, op);
		worker_oblige(w);
	}
	mm_put(w->process->mm);
}
