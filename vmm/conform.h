/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HF_VMM_CONFORM_H
#define HF_VMM_CONFORM_H

/* `hyperflush conform`: argv[1] to argv[argc-1]. Returns the exit status. */
int conform_main(int argc, char **argv);

#endif
