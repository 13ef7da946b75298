/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The suites "suite=NAME" can name; guest/main.c has the table. A suite runs
 * in a preemptible thread on CPU 0 with all CPUs up and every tick stopped. It
 * returns a HARNESS_EXIT_* verdict (usually ktap_verdict()).
 */
#ifndef GUEST_SUITES_H
#define GUEST_SUITES_H

int suite_boot(void);	     /* "boot": self-test of the kernel's base */
int suite_mm_boot(void);     /* "mm-boot": self-test of what guest/mm stands on */
int suite_panic(void);	     /* "panic": panics on purpose, to show the dump */
int suite_flush(void);	     /* "flush": guest/conform */
int suite_conform(void);     /* "conform": guest/conform/abi */
int suite_mm(void);	     /* "mm": guest/stress */
int suite_ring(void);	     /* "ring": guest/conform */
int suite_user(void);	     /* "user": guest/user */
int suite_bench_mm(void);    /* "bench-mm": guest/bench */
int suite_bench_flush(void); /* "bench-flush": guest/bench */
int suite_bench_ring(void);  /* "bench-ring": guest/bench */

#endif
