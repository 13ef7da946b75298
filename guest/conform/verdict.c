/* SPDX-License-Identifier: BSD-2-Clause */
#include "guest/conform/verdict.h"

#include "guest/lib/cmdline.h"
#include "guest/lib/ktap.h"

/* "npt=0": the host shadows page tables, and a shadow survives exits. The launcher knows. */
static bool shadow_paging(void)
{
	return cmdline_u64("npt", 1) == 0;
}

/* NULL if a control must show stale reads here, else why it cannot be expected to. */
static const char *toothless(enum hf_backend control, enum target_state state)
{
	if (shadow_paging())
		return NULL;
	if (control == HF_BACKEND_KICK)
		return "with nested paging every exit may empty the TLB, and a kick is an exit";
	if (state != TARGETS_RUNNING)
		return "with nested paging a target that leaves the guest may lose its TLB";
	return NULL;
}

static void judge_control(const char *name, enum hf_backend control, enum target_state state,
			  const struct readers_outcome *out)
{
	const char *why = toothless(control, state);

	if (!out->stale && why)
		ktap_skip("%s: control without evidence: %s", name, why);
	else
		ktap_ok(out->stale > 0, "%s: control, %lu stale of %lu checked%s", name, out->stale,
			out->checked, out->stale ? "" : ": no evidence");
}

/* Reports it, too. */
static bool lacks_evidence(const char *name, u64 expected, const struct readers_outcome *out)
{
	if (out->checked == expected && expected)
		return false;
	ktap_ok(false, "%s: no evidence, %lu checked of %lu", name, out->checked, expected);
	return true;
}

void verdict_control(const char *name, enum target_state state, u64 expected,
		     const struct readers_outcome *out)
{
	if (!lacks_evidence(name, expected, out))
		judge_control(name, HF_BACKEND_NONE, state, out);
}

void verdict(const char *name, enum target_state state, u32 targets, u64 expected,
	     const struct readers_outcome *out)
{
	enum hf_backend id = flush_backend()->id;
	char word[8];

	if (lacks_evidence(name, expected, out))
		return;
	if (id == HF_BACKEND_NONE || id == HF_BACKEND_KICK)
		judge_control(name, id, state, out);
	else if (out->stale && targets > 1 && cmdline_get("deviation", word, sizeof(word)) &&
		 (id == HF_BACKEND_HYPERV || id == HF_BACKEND_LOWERED))
		ktap_skip("%s: deviation of KVM with shadow paging, %lu stale of %lu "
			  "(docs/limits.md)",
			  name, out->stale, out->checked);
	else
		ktap_ok(!out->stale, "%s: %lu stale of %lu checked", name, out->stale,
			out->checked);
}
