/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop on the main thread, on io_uring: console output and input,
 * SIGINT and SIGTERM, the time limit, the machine's stop.
 */
#ifndef HF_VMM_LOOP_H
#define HF_VMM_LOOP_H

struct machine;
struct loop;

/*
 * Sets the loop up and blocks SIGINT and SIGTERM, so that vCPU threads
 * started from now on leave them to it. NULL after machine_stop().
 */
struct loop *loop_create(struct machine *m);

/* Runs until the machine has stopped and what the guest wrote until then is out. */
void loop_run(struct loop *loop);

/*
 * When no vCPU thread is left: writes the rest of the console, takes the
 * loop down and restores the signal mask.
 */
void loop_finish(struct loop *loop);

#endif
