/* SPDX-License-Identifier: BSD-2-Clause */
/* What system calls and guest/mm/ return, negated: Linux' numbers. */
#ifndef GUEST_LIB_ERRNO_H
#define GUEST_LIB_ERRNO_H

#define ENOENT 2
#define EAGAIN 11
#define ENOMEM 12
#define EFAULT 14
#define EINVAL 22
#define ENOSYS 38

#endif
