/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/abi/lazy.h"

#include "guest/cpu/memory.h"
#include "guest/cpu/percpu.h"
#include "guest/cpu/tlb.h"

/* A cache line each. */
static struct {
	_Alignas(64) u64 word;
} words[GUEST_MAX_CPUS];

u64 lazy_word(u32 cpu)
{
	return mem_load(&words[cpu].word);
}

u64 *lazy_word_here(void)
{
	return &words[cpu_id()].word;
}

const char *lazy_lacking(void)
{
	return hf_lacks(HF_FEATURE_DETACH, "no detach");
}

u64 lazy_set(void *arg)
{
	const struct laziness *l = arg;

	wrmsr(HF_MSR_LAZY_WORD, 0);
	root_load(l->root);
	if (l->word == LAZY_NO_WORD)
		return 0;
	mem_store(lazy_word_here(), l->word);
	wrmsr(HF_MSR_LAZY_WORD, virt_to_phys(lazy_word_here()) | 1);
	return rdmsr(HF_MSR_LAZY_WORD);
}

struct detach_1 detach_1(paddr_t from, paddr_t to, u32 deadline_us)
{
	return (struct detach_1){ .head = { .set_kind = HF_SET_BANKS,
					    .bank_mask = 1,
					    .from = from,
					    .to = to,
					    .deadline_us = deadline_us } };
}

u64 lazy_bit_of(u32 cpu)
{
	return 1ull << cpu_by_id(cpu)->apic_id % HF_BANK_BITS;
}

void lazy_end(struct conform *c, const struct cpumask *cpus)
{
	for_each_cpu (cpu, cpus) {
		struct laziness none = { probe_root(c->probes, cpu), LAZY_NO_WORD };

		if (cpu)
			probe_run(c->probes, cpu, lazy_set, &none);
	}
}

static u64 word_of(const struct who *w, paddr_t from, paddr_t to)
{
	return w->no_word ? LAZY_NO_WORD : (w->elsewhere ? to : from) | w->state;
}

bool lazy_set_up(struct conform *c, const struct move_row *row, struct cpumask *cpus,
		 struct finding *f)
{
	paddr_t from = probe_root(c->probes, 1), to = probe_root(c->probes, LAZY_OTHER);

	if (!check_has_cpus(LAZY_OTHER, f))
		return false;
	cpumask_set(cpus, LAZY_OTHER);
	for (u32 i = 0; i < ARRAY_SIZE(row->who) && row->who[i].cpu; i++) {
		if (!check_has_cpus(row->who[i].cpu, f))
			return false;
		cpumask_set(cpus, row->who[i].cpu);
	}
	probes_use(c->probes, cpus);
	for (u32 i = 0; i < ARRAY_SIZE(row->who) && row->who[i].cpu; i++) {
		struct laziness l = { from, word_of(&row->who[i], from, to) };

		probe_run(c->probes, row->who[i].cpu, lazy_set, &l);
	}
	hf_enable();
	return true;
}

bool lazy_is_right(struct conform *c, const struct who *w, struct finding *f)
{
	paddr_t from = probe_root(c->probes, 1), to = probe_root(c->probes, LAZY_OTHER);
	u64 word = lazy_word(w->cpu), root = probe_run(c->probes, w->cpu, probe_whose_root, NULL);
	u64 expected = w->moves ? to | HF_MOVED : word_of(w, from, to);

	if (!w->no_word && word != expected)
		finding_fail(f, "CPU %u: word %#llx, not %#llx", w->cpu, (unsigned long long)word,
			     (unsigned long long)expected);
	else if (root != (w->moves ? LAZY_OTHER : 1))
		finding_fail(f, "CPU %u: on the root of CPU %llu", w->cpu,
			     (unsigned long long)root);
	else if (w->moves && probe_stale(c->probes, w->cpu))
		finding_fail(f, "CPU %u: moved, and stale", w->cpu);
	else
		return true;
	return false;
}
