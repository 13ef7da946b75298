/* SPDX-License-Identifier: BSD-2-Clause */
/* Stands in for the end of a run in vmm/machine.c: notes the first verdict. */
#include <stdarg.h>

#include "fuzz.h"
#include "vmm/machine.h"

void machine_stop(struct machine *m, int status, const char *format, ...)
{
	char reason[REASON_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	MUST(status != RUN_HOST_ERROR, "the guest makes the host fail: %s", reason);
	if (m->has_verdict)
		return;
	m->has_verdict = true;
	m->status = status;
	memcpy(m->reason, reason, sizeof(m->reason));
}

int machine_failed(struct machine *m, const char *what, int err)
{
	machine_stop(m, RUN_HOST_ERROR, "%s: %s", what, strerror(-err));
	return err;
}
