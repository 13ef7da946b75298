/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x86-TSO (SDM vol. 3 8.2): each CPU's stores go through a FIFO buffer of its own, which it
 * reads itself; the scheduler drains it one by one. Locked instructions, fences, CR3
 * loads, INVLPG, interrupts and exits drain it whole.
 */
#include "tests/sim/frames.h"
#include "tests/sim/oracle.h"
#include "tests/sim/schedule.h"

#include <string.h>

u64 memory_read(const volatile void *p, unsigned size)
{
	switch (size) {
	case 1:
		return *(const volatile u8 *)p;
	case 2:
		return *(const volatile u16 *)p;
	case 4:
		return *(const volatile u32 *)p;
	default:
		return *(const volatile u64 *)p;
	}
}

static void memory_write(volatile void *p, unsigned size, u64 value)
{
	switch (size) {
	case 1:
		*(volatile u8 *)p = (u8)value;
		break;
	case 2:
		*(volatile u16 *)p = (u16)value;
		break;
	case 4:
		*(volatile u32 *)p = (u32)value;
		break;
	default:
		*(volatile u64 *)p = value;
		break;
	}
}

void memory_commit(struct sim_cpu *c, volatile void *p, unsigned size, u64 value, bool entry)
{
	u32 frame = frame_at(p);
	u64 old = memory_read(p, size);

	if (frame && frames_walked(frame)) {
		if (size != sizeof(u64))
			sim_fail("I1: %u bytes are stored into frame %u, which a CPU walks", size,
				 frame);
		if (entry)
			oracle_plain_entry(c, frame, old, value);
		memory_write(p, size, value);
		tlb_entry_changed((u64 *)(uintptr_t)p, value);
	} else {
		memory_write(p, size, value);
	}
	if (frame)
		oracle_watches();
	if (old != value)
		threads_notify(p);
}

void memory_drain_one(struct sim_cpu *c)
{
	struct sim_store d = c->buffer[0];
	u32 frame = frame_at(d.p);

	c->buffered--;
	memmove(c->buffer, c->buffer + 1, c->buffered * sizeof(c->buffer[0]));
	if (sim.logging)
		timeline_access((unsigned)(c - sim.cpu), d.site, d.p, "~ visible %#lx", d.value);
	if (frame && frame_generation(frame) != d.generation)
		sim_fail("I3: a store to frame %u becomes visible after the frame was freed",
			 frame);
	memory_commit(c, d.p, d.size, d.value, d.entry);
	if (!c->buffered)
		schedule_refresh(c);
}

void memory_drain(struct sim_cpu *c)
{
	while (c->buffered)
		memory_drain_one(c);
}

void memory_drain_translated(struct sim_cpu *c)
{
	unsigned n = c->buffered;

	while (n && !c->buffer[n - 1].translated)
		n--;
	while (n--)
		memory_drain_one(c);
}

/* Memory as the CPU sees it. */
static u64 seen(struct sim_cpu *c, const volatile void *p, unsigned size)
{
	for (unsigned i = c->buffered; i-- > 0;) {
		const struct sim_store *d = &c->buffer[i];

		if (d->p == p && d->size == size)
			return d->value;
		if ((const volatile u8 *)d->p < (const volatile u8 *)p + size &&
		    (const volatile u8 *)p < (const volatile u8 *)d->p + d->size) {
			memory_drain(c); /* a load that spans stores waits for them */
			break;
		}
	}
	return memory_read(p, size);
}

u64 sim_load(const struct sim_site *site, const volatile void *p, unsigned size)
{
	u64 v;

	sim_step();
	v = seen(sim_cpu(), p, size);
	if (sim.logging)
		timeline_access(sim.self, site, p, "= %#lx", v);
	return v;
}

static void buffered_store(const struct sim_site *site, volatile void *p, unsigned size, u64 value,
			   bool entry)
{
	struct sim_cpu *c = sim_cpu();
	u32 frame = frame_at(p);

	if (!p)
		sim_fail("a store to NULL");
	if (!sim_thread()->interrupted)
		sim_thread()->counts.stores++;
	if (sim.logging)
		timeline_access(sim.self, site, p, "%#lx", value);
	if (!sim.scheduling) {
		memory_commit(c, p, size, value, entry);
		return;
	}
	if (c->buffered == SIM_STORES)
		memory_drain_one(c);
	c->buffer[c->buffered++] = (struct sim_store){
		.p = p,
		.value = value,
		.site = site,
		.generation = frame ? frame_generation(frame) : 0,
		.size = (u8)size,
		.entry = entry,
	};
	if (c->buffered == 1)
		schedule_refresh(c);
}

void sim_store(const struct sim_site *site, volatile void *p, unsigned size, u64 value)
{
	sim_step();
	buffered_store(site, p, size, value, false);
}

u64 memory_load(struct sim_cpu *c, const u64 *p)
{
	u64 v = seen(c, p, sizeof(*p));

	if (sim.logging)
		timeline_add(sim.self, "user load f%u = %#lx", frame_at(p), v);
	return v;
}

void memory_store(struct sim_cpu *c, u64 *p, u64 value)
{
	static const struct sim_site site = { "user", "store", 0 };

	buffered_store(&site, p, sizeof(*p), value, false);
	if (c->buffered)
		c->buffer[c->buffered - 1].translated = true;
}

static u64 locked(struct sim_cpu *c, const volatile void *p, unsigned size)
{
	sim_step();
	memory_drain(c);
	if (!sim_thread()->interrupted)
		sim_thread()->counts.locked++;
	return memory_read(p, size);
}

static u64 applied(u64 old, enum sim_rmw op, u64 value)
{
	switch (op) {
	case RMW_ADD:
		return old + value;
	case RMW_OR:
		return old | value;
	case RMW_AND:
		return old & value;
	case RMW_EXCHANGE:
		break;
	}
	return value;
}

u64 sim_rmw(const struct sim_site *site, volatile void *p, unsigned size, enum sim_rmw op,
	    u64 value)
{
	struct sim_cpu *c = sim_cpu();
	u64 old = locked(c, p, size), new = applied(old, op, value);

	if (size < sizeof(u64))
		new &= (1ull << size * 8) - 1;
	if (sim.logging)
		timeline_access(sim.self, site, p, "%#lx -> %#lx", old, new);
	memory_commit(c, p, size, new, false);
	return old;
}

bool sim_cas(const struct sim_site *site, volatile void *p, unsigned size, void *expected,
	     u64 value)
{
	struct sim_cpu *c = sim_cpu();
	struct sim_thread *t = sim_thread();
	u64 old = locked(c, p, size);

	if (t->walk == SIM_WALK_SEQ && !t->locks && !t->interrupted && frames_page_at(p))
		oracle_walk_page(t, frames_page_at(p));
	if (old != memory_read(expected, size)) {
		if (sim.logging)
			timeline_access(sim.self, site, p, "fails: %#lx", old);
		memory_write(expected, size, old);
		return false;
	}
	if (sim.logging)
		timeline_access(sim.self, site, p, "%#lx -> %#lx", old, value);
	memory_commit(c, p, size, value, false);
	return true;
}

void sim_fence(const struct sim_site *site)
{
	sim_step();
	memory_drain(sim_cpu());
	if (sim.logging)
		timeline_access(sim.self, site, NULL, "%s", "");
}

/*
 * Nobody but the reader changes an empty entry, but where it walks without a lock: nothing
 * is gained by letting others act first. Whole tables are looked through that way.
 */
u64 sim_pte_read(const struct sim_site *site, const u64 *slot)
{
	struct sim_cpu *c = sim_cpu();
	struct sim_thread *t = sim_thread();
	u64 v;

	if ((t->locks || t->walk == SIM_WALK_LOCKED) && !seen(c, slot, sizeof(*slot)))
		return 0;
	sim_step();
	v = seen(c, slot, sizeof(*slot));
	if (sim.logging)
		timeline_access(sim.self, site, slot, "= %#lx", v);
	if (t->walk != SIM_WALK_LOCKED && !t->locks && !t->interrupted)
		oracle_walk_read(t, slot, v);
	return v;
}

void sim_pte_write(const struct sim_site *site, u64 *slot, u64 value)
{
	sim_step();
	buffered_store(site, slot, sizeof(*slot), value, true);
}

u64 sim_pte_exchange(const struct sim_site *site, u64 *slot, u64 value)
{
	return sim_rmw(site, slot, sizeof(*slot), RMW_EXCHANGE, value);
}

/* Tables are filled before they are linked, and copied where nobody walks: no entry of these is
 * watched. */
static void changed_range(void *dst, size_t n)
{
	u32 first = frame_at(dst), last = frame_at((u8 *)dst + n - 1);

	for (u32 f = first; first && f <= last; f++)
		if (frames_walked(f))
			sim_fail("I1: frame %u is overwritten while a CPU may walk it as a table",
				 f);
}

void *sim_memset(void *dst, int byte, size_t n)
{
	if (!frame_at(dst))
		return (memset)(dst, byte, n);
	sim_step();
	memory_drain(sim_cpu());
	changed_range(dst, n);
	return (memset)(dst, byte, n);
}

void *sim_memcpy(void *dst, const void *src, size_t n)
{
	if (!frame_at(dst) && !frame_at(src))
		return (memcpy)(dst, src, n);
	sim_step();
	memory_drain(sim_cpu());
	if (frame_at(dst))
		changed_range(dst, n);
	return (memcpy)(dst, src, n);
}

/* cpumasks of at most 64 CPUs: all that happens, happens in the first word. */
bool sim_mask_set(const struct sim_site *site, struct cpumask *m, u32 cpu)
{
	u64 old = sim_rmw(site, &m->word[0], sizeof(u64), RMW_OR, 1ull << cpu);

	return old >> cpu & 1;
}

bool sim_mask_clear(const struct sim_site *site, struct cpumask *m, u32 cpu)
{
	u64 old;

	oracle_mask_clear(m, cpu);
	old = sim_rmw(site, &m->word[0], sizeof(u64), RMW_AND, ~(1ull << cpu));
	return old >> cpu & 1;
}

void sim_mask_copy(const struct sim_site *site, struct cpumask *dst, const struct cpumask *src)
{
	*dst = *src;
	dst->word[0] = sim_load(site, &src->word[0], sizeof(u64));
}
