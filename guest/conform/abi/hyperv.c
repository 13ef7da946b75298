/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/abi/hyperv.h"

#include "guest/cpu/msr.h"
#include "guest/cpu/percpu.h"
#include "guest/flush/backend.h"
#include "guest/mm/page.h"
#include "guest/user/launch.h"

#define OS_ID	    (1ull << 63 | 1) /* TLFS 2.6: an open-source system */
#define MAX_WORDS   160u
#define FAST_WORDS  14u /* RDX, R8 and XMM0 to XMM5 */
#define ELSEWHERE   0x0000600000000000ul
#define LONG_PAGES  (HV_GVA_MAX_EXTRA_PAGES + 1ul)
#define ABSENT_BANK 63u

extern const char hypercall_code_hyperv[];

static u32 hints(void)
{
	return cpuid(HV_CPUID_ENLIGHT, 0).eax;
}

const char *hv_lacking(void)
{
	if (!(cpuid(1, 0).ecx & 1u << 31) || cpuid(HV_CPUID_INTERFACE, 0).eax != HV_INTERFACE_HV1)
		return "no Hyper-V CPUID leaf";
	return hints() & HV_ENLIGHT_A_REMOTE_FLUSH ? NULL : "Hyper-V does not offer remote flushes";
}

static u32 *vp_of_cpu;

static void read_vp(void *unused)
{
	(void)unused;
	vp_of_cpu[cpu_id()] = (u32)rdmsr(HV_MSR_VP_INDEX);
}

void hv_enable(struct conform *c)
{
	if (rdmsr(HV_MSR_GUEST_OS_ID) && rdmsr(HV_MSR_HYPERCALL) & 1)
		return;
	wrmsr(HV_MSR_GUEST_OS_ID, OS_ID);
	wrmsr(HV_MSR_HYPERCALL, hypercall_page_hyperv() | 1);
	vp_of_cpu = c->vp;
	probes_use(c->probes, &(struct cpumask){ 0 }); /* a probe lets nothing else run */
	run_everywhere(read_vp);
}

static bool is_ex(const struct hv_row *row)
{
	return row->code == HV_CALL_FLUSH_SPACE_EX || row->code == HV_CALL_FLUSH_LIST_EX;
}

/* Appends the list; its length. *cover: the slots in it. */
static u32 build_list(const struct hv_row *row, u64 *list, u32 *cover)
{
	u32 n = 0;

	*cover = row->list == HV_LIST_NONE ? PROBE_ALL : 1;
	switch (row->list) {
	case HV_LIST_PAGE:
		list[n++] = probe_va(0);
		break;
	case HV_LIST_RANGE:
		list[n++] = probe_va(0) | (PROBE_SLOT_2 - PROBE_SLOT_0);
		*cover = PROBE_ALL;
		break;
	case HV_LIST_TWO:
		list[n++] = probe_va(2);
		list[n++] = probe_va(1);
		*cover = 1u << 2 | 1u << 1;
		break;
	case HV_LIST_LAST:
		while (n + 1 < row->reps) {
			list[n] = ELSEWHERE + n * PAGE_SIZE;
			n++;
		}
		list[n++] = probe_va(0);
		break;
	case HV_LIST_LONG:
		list[n++] = (probe_va(0) - (LONG_PAGES - 1) * PAGE_SIZE) | (LONG_PAGES - 1);
		break;
	default:
		break;
	}
	return n;
}

/* The set as TLFS 7.8.7.3 has it; the number of words. `bank` by bank number. */
static u32 build_sparse(const struct hv_row *row, u64 *bank, u64 *words)
{
	u32 n = 0;

	words[n++] = row->format;
	words[n++] = row->empty_banks | (row->absent_vp ? 1ull << ABSENT_BANK : 0);
	bank[ABSENT_BANK] |= row->absent_vp;
	for (u32 b = 0; b < 64; b++)
		if (bank[b])
			words[1] |= 1ull << b;
	for (u32 b = 0; b < 64; b++)
		if (words[1] >> b & 1)
			words[n++] = bank[b];
	return n;
}

struct hv_input {
	u64 words[MAX_WORDS];
	u32 count;
	u64 control;
};

static void build_input(struct conform *c, const struct hv_row *row, const struct cpumask *cpus,
			struct attempt *a, struct hv_input *in)
{
	u64 bank[64] = { 0 }, banks = 0;
	u32 n = 0, reps;

	for_each_cpu (cpu, cpus)
		bank[c->vp[cpu] / 64] |= 1ull << c->vp[cpu] % 64;
	in->words[n++] = row->own_space ? probe_root(c->probes, 1) : 0;
	in->words[n++] = row->flags ^ HV_FLUSH_ALL_SPACES;
	if (is_ex(row)) {
		u32 set = build_sparse(row, bank, &in->words[n]);

		n += set;
		banks = set - 2;
	} else {
		in->words[n++] = bank[0] | row->mask_or;
	}
	reps = build_list(row, &in->words[n], &a->cover);
	in->count = n + reps;
	in->control = row->code | banks << HV_CONTROL_VAR_SHIFT |
		      (u64)reps << HV_CONTROL_REP_SHIFT | (u64)row->fast << 16;
	in->control ^= row->control;
	a->result = row->status | (row->status ? 0 : (u64)reps << HV_CONTROL_REP_SHIFT);
}

static void pass_fast(const struct hv_input *in, struct raw_call *call)
{
	call->rdx = in->words[0];
	call->r8 = in->words[1];
	call->use_xmm = true;
	for (u32 i = 2; i < MIN(in->count, FAST_WORDS); i++)
		call->xmm[i - 2] = in->words[i];
}

/* What an interface lacks, a check of it does without. */
static bool offered(const struct hv_row *row, struct finding *f)
{
	if (is_ex(row) && !(hints() & HV_ENLIGHT_A_EX_MASKS))
		finding_skip(f, "EX sets are not offered");
	else if (row->fast && !(cpuid(HV_CPUID_FEATURES, 0).edx & HV_FEATURE_D_XMM_INPUT))
		finding_skip(f, "input in XMM registers is not offered");
	else
		return true;
	return false;
}

bool hv_attempt(struct conform *c, const struct hv_row *row, struct attempt *a, struct finding *f)
{
	struct hv_input in = { 0 };
	struct cpumask cpus;

	*a = (struct attempt){
		.call = { .target = hypercall_code_hyperv },
		.result_mask = row->status ? HV_STATUS_MASK : UINT64_MAX,
		.known_result = row->known,
		.known = row->ref,
		.lossy = true,
	};
	if (!offered(row, f) || !set_cpus((enum target_set)row->set, &cpus, &a->probes, f))
		return false;
	hv_enable(c);
	if (!is_ex(row)) {
		for_each_cpu (cpu, &cpus)
			if (c->vp[cpu] >= 64 && row->set != SET_ALL)
				cpumask_clear(&a->probes, cpu); /* beyond a plain call's mask */
	}
	build_input(c, row, &cpus, a, &in);
	a->call.rcx = in.control;
	u64 gpa = request_place(c, (enum place)row->place, in.words, in.count * sizeof(u64),
				row->split, f);
	if (!gpa)
		return false;
	a->call.rdx = gpa;
	a->call.r8 = virt_to_phys(c->output);
	if (row->fast)
		pass_fast(&in, &a->call);
	return true;
}

void hv_serves(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (hv_attempt(c, row, &a, f))
		attempt_serves(c, &a, f);
}

/* A set that names no probe is given one: what is refused must flush nobody. */
void hv_refuses(struct conform *c, const void *row, struct finding *f)
{
	struct attempt a;

	if (!hv_attempt(c, row, &a, f))
		return;
	if (cpumask_empty(&a.probes))
		cpumask_set(&a.probes, 1);
	a.cover = PROBE_ALL;
	attempt_refused(c, &a, f);
}
