/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SIM_KERNEL_TABLES_H
#define SIM_KERNEL_TABLES_H

/* In the place of pt_init(): a kernel root in which only the vmap arena is linked. */
void kernel_tables_init(void);

#endif
