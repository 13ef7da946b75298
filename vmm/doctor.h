/* SPDX-License-Identifier: BSD-2-Clause */
/* `hyperflush doctor`: what this host's KVM offers for flushing TLBs across vCPUs. */
#ifndef HF_VMM_DOCTOR_H
#define HF_VMM_DOCTOR_H

/* Prints to stdout. RUN_PASSED, or RUN_HOST_ERROR if no guest can run here. */
int doctor_main(void);

#endif
