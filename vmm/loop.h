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
 * Sets the loop up. From now on SIGINT and SIGTERM stop the machine, also if
 * the process was started with them ignored. NULL after machine_stop().
 */
struct loop *loop_create(struct machine *m);

/* Runs until the machine has stopped and what the guest wrote until then is out. */
void loop_run(struct loop *loop);

/*
 * When no vCPU thread is left: writes the rest of the console, takes the
 * loop down and gives SIGINT and SIGTERM back what they did before.
 */
void loop_finish(struct loop *loop);

#endif
