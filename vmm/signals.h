/* SPDX-License-Identifier: BSD-2-Clause */
/* SIGINT and SIGTERM as bytes in a pipe, for the event loop. */
#ifndef HF_VMM_SIGNALS_H
#define HF_VMM_SIGNALS_H

#include <signal.h>

struct signals {
	int pipe[2]; /* [0]: the signal's number, one byte each */
	struct sigaction old_int, old_term;
};

/* One at a time. 0 or -errno. */
int signals_catch(struct signals *s);

/* Both do again what they did before. */
void signals_release(struct signals *s);

#endif
