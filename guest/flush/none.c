/* SPDX-License-Identifier: BSD-2-Clause */
/* Negative control: nobody is told. Every correctness test must fail with it. */
#include "guest/flush/backend.h"

static const char *probe(void)
{
	return NULL;
}

static void flush(const struct flush_request *req, const struct cpumask *remote)
{
	(void)req;
	(void)remote;
}

const struct flush_backend flush_none = {
	.id = HF_BACKEND_NONE,
	.name = "none",
	.probe = probe,
	.flush = flush,
};
