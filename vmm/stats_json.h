/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters and latencies of a machine, as one line of JSON (docs/hyperflush.1, "STATISTICS"). */
#ifndef HF_VMM_STATS_JSON_H
#define HF_VMM_STATS_JSON_H

#include <stdbool.h>
#include <stdint.h>

struct machine;

/*
 * `ms` after the start of the machine. Ends with a newline; for free(). NULL without memory.
 * m->observer has watches.
 */
char *stats_json(struct machine *m, uint64_t ms, bool final);

#endif
