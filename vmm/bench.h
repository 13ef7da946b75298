/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HF_VMM_BENCH_H
#define HF_VMM_BENCH_H

/* `hyperflush bench`: argv[0] is "bench". Returns the program's exit status (enum run_status). */
int bench_main(int argc, char **argv);

#endif
